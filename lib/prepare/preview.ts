// A dry run of prepare: reads all text as its first pass does, says what would be left out, and writes nothing.

import { requireObject, requireTexts } from '../config/require.ts';
import type { DataManifest } from '../data/manifest.ts';
import { skippedOf, sourceOf, total } from './corpus.ts';
import { requireTextOptions } from './documents.ts';
import { type FileReport, fileReport } from './file-list.ts';
import { findInputFiles, type InputFile } from './input-files.ts';
import { NearDuplicateFilter } from './near-duplicates/filter.ts';
import type { PrepareOptions } from './prepare.ts';
import { ProgressReporter } from './progress.ts';
import { type OnNearDuplicate, scanDocuments } from './scan.ts';
import type { FileSummary } from './scan-record.ts';
import { requireTextColumns } from './text-columns.ts';

export interface PreviewOptions
  extends Pick<
    PrepareOptions,
    'inputs' | 'dropNearDuplicates' | 'delimiter' | 'textColumn' | 'textColumns' | 'signal' | 'onProgress'
  > {
  /** Told of every document that `dropNearDuplicates` leaves out, in order, and of what it repeats. */
  onNearDuplicate?: OnNearDuplicate | undefined;
}

/** These fields of the manifest that `prepare` would write, and what it would say of each file. */
export interface Preview extends Pick<DataManifest, 'source' | 'skipped' | 'invalidUtf8'> {
  files: FileReport[];
}

/**
 * Tells what `prepare` would read and leave out.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad option; ERR_BURGEON_DATA when inputs are missing, unreadable or
 *   damaged, or when a line of .jsonl or a row of .parquet is bad. Rejects with the reason of `signal` when it is aborted.
 */
export async function previewPrepare(options: PreviewOptions): Promise<Preview> {
  requireObject('options', options);
  requireTexts('inputs', options.inputs);
  const { inputs, dropNearDuplicates, delimiter, onNearDuplicate } = options;
  requireTextOptions(options);
  requireTextColumns(inputs, options);
  const files = await findInputFiles(inputs, options);
  const { onRead } = new ProgressReporter(files, options);
  const deduplication = dropNearDuplicates
    ? { filter: new NearDuplicateFilter(), onDropped: onNearDuplicate ?? (() => {}) }
    : undefined;
  const scanned: (InputFile & { summary: FileSummary })[] = [];
  for (const file of files) {
    const scanOptions = { delimiter, collectCharacters: false };
    scanned.push({ ...file, summary: await scanDocuments(file, scanOptions, onRead, () => {}, deduplication) });
  }
  return {
    source: sourceOf(scanned),
    skipped: skippedOf(scanned),
    invalidUtf8: total(scanned, 'invalidUtf8'),
    files: scanned.map((file) => fileReport(file)),
  };
}
