// A dry run of prepare: reads all text as its first pass does, says what would be left out, and writes nothing.

import { requireObject, requireTexts } from '../config/require.ts';
import type { DataManifest } from '../data/manifest.ts';
import { skippedOf, sourceOf, total } from './corpus.ts';
import { requireTextOptions } from './documents.ts';
import { findInputFiles } from './input-files.ts';
import { NearDuplicateFilter } from './near-duplicates/filter.ts';
import type { PrepareOptions } from './prepare.ts';
import { ProgressReporter } from './progress.ts';
import { type OnNearDuplicate, scanDocuments } from './scan.ts';
import type { FileSummary } from './scan-record.ts';

export interface PreviewOptions
  extends Pick<PrepareOptions, 'inputs' | 'dropNearDuplicates' | 'delimiter' | 'textColumn' | 'signal' | 'onProgress'> {
  /** Told of every document that `dropNearDuplicates` leaves out, in order, and of what it repeats. */
  onNearDuplicate?: OnNearDuplicate | undefined;
}

/** These fields of the manifest that `prepare` would write. */
export type Preview = Pick<DataManifest, 'source' | 'skipped' | 'invalidUtf8'>;

/**
 * Tells what `prepare` would read and leave out.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad option; ERR_BURGEON_DATA when inputs are missing, unreadable or
 *   damaged, or when a line of .jsonl or a row of .parquet is bad. Rejects with the reason of `signal` when it is aborted.
 */
export async function previewPrepare(options: PreviewOptions): Promise<Preview> {
  requireObject('options', options);
  requireTexts('inputs', options.inputs);
  const { inputs, dropNearDuplicates, delimiter, textColumn, onNearDuplicate } = options;
  requireTextOptions(options);
  const files = await findInputFiles(inputs);
  const { onRead } = new ProgressReporter(files, options);
  const deduplication = dropNearDuplicates
    ? { filter: new NearDuplicateFilter(), onDropped: onNearDuplicate ?? (() => {}) }
    : undefined;
  const scanned: { summary: FileSummary }[] = [];
  for (const { path } of files) {
    const scanOptions = { delimiter, textColumn, collectCharacters: false };
    scanned.push({ summary: await scanDocuments(path, scanOptions, onRead, () => {}, deduplication) });
  }
  return {
    source: sourceOf(scanned),
    skipped: skippedOf(scanned),
    invalidUtf8: total(scanned, 'invalidUtf8'),
  };
}
