// A document that is left out as a near-duplicate, in words. Pure.

import { extensionsOf } from '../prepare/file-blocks.ts';
import type { DocumentPlace } from '../prepare/near-duplicates/filter.ts';
import type { ListedNearDuplicate } from '../prepare/near-duplicates/list.ts';
import { percent } from './format.ts';

const unknown = 'unknown: an earlier version listed it';

/**
 * What repeats what, how both begin, and where they agree and differ: where both begin in the same way, that is said once.
 * @param isDelimited whether text files hold several documents.
 */
export function nearDuplicateText(
  { repeated, repeats, differs, like, ...document }: ListedNearDuplicate,
  isDelimited: boolean,
): string {
  const source = placeText(like, isDelimited);
  const shares =
    like.share === repeated
      ? `${percent(repeated)} of it in ${source}`
      : `${percent(repeated)} of it in earlier documents, ${percent(like.share)} in ${source}`;
  const passages =
    document.begins === like.begins
      ? [['both', document.begins]]
      : [
          ['dropped', document.begins],
          ['kept', like.begins],
          ['repeats', repeats ?? unknown],
        ];
  const lines = [...passages, ['new', repeats === undefined ? unknown : (differs ?? 'nothing')]].map(
    ([name, text]) => `  ${name!.padEnd(7)}  ${text}`,
  );
  return [`${placeText(document, isDelimited)}  ${shares}`, ...lines].join('\n');
}

/** As editors and error messages name it, where there is such a name. */
export function placeText({ file, number }: DocumentPlace, isDelimited: boolean): string {
  const [kind] = extensionsOf(file);
  if (kind === '.jsonl' || kind === '.ndjson') return `${file}:${number}`;
  if (kind === '.json') return `${file} element ${number}`;
  if (kind === '.parquet') return `${file} row ${number}`;
  return isDelimited ? `${file} document ${number}` : file;
}
