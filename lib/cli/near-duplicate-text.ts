// A document that is left out as a near-duplicate, in words. Pure.

import { extensionsOf } from '../prepare/file-blocks.ts';
import type { DocumentPlace, NearDuplicate } from '../prepare/near-duplicates/filter.ts';
import { percent } from './format.ts';

/**
 * Three lines: what repeats what, and how both begin.
 * @param isDelimited whether text files hold several documents.
 */
export function nearDuplicateText({ repeated, like, ...document }: NearDuplicate, isDelimited: boolean): string {
  const source = placeText(like, isDelimited);
  const shares =
    like.share === repeated
      ? `${percent(repeated)} of it in ${source}`
      : `${percent(repeated)} of it in earlier documents, ${percent(like.share)} in ${source}`;
  return `${placeText(document, isDelimited)}  ${shares}\n  dropped  ${document.begins}\n  kept     ${like.begins}`;
}

/** As editors and error messages name it, where there is such a name. */
export function placeText({ file, number }: DocumentPlace, isDelimited: boolean): string {
  const [kind] = extensionsOf(file);
  if (kind === '.jsonl' || kind === '.ndjson') return `${file}:${number}`;
  if (kind === '.json') return `${file} element ${number}`;
  if (kind === '.parquet') return `${file} row ${number}`;
  return isDelimited ? `${file} document ${number}` : file;
}
