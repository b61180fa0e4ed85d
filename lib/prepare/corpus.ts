// The corpus as it was scanned: its files, the record of each (scan-record.ts), and what becomes of every document.
// Memory does not grow with the number of documents.

import type { DataManifest } from '../data/manifest.ts';
import type { InputFile } from './input-files.ts';
import { type FileSummary, readSizes } from './scan-record.ts';
import type { Split } from './segments.ts';
import { chooseValidation, drawValidation } from './split.ts';

/** Up to this many documents, validation is chosen by their sizes, which takes 13 bytes for each. */
const maxChosenDocuments = 1 << 20;

export interface ScannedFile extends InputFile {
  recordPath: string;
  summary: FileSummary;
}

/** Size of a document, and the split it goes to: null when it is left out. */
export interface DocumentFate {
  nBytes: number;
  split: Split | null;
}

/** Sum of a number over all files. */
export function total(
  files: readonly Pick<ScannedFile, 'summary'>[],
  field: 'documents' | 'bytes' | 'keptDocuments' | 'empty' | 'nearDuplicates' | 'invalidUtf8' | 'blankLines',
): number {
  return files.reduce((sum, { summary }) => sum + summary[field], 0);
}

/** What was read, as the manifest has it. */
export function sourceOf(files: readonly Pick<ScannedFile, 'summary'>[]): DataManifest['source'] {
  return { files: files.length, documents: total(files, 'documents'), bytes: total(files, 'bytes') };
}

/** What was left out, likewise. */
export function skippedOf(files: readonly Pick<ScannedFile, 'summary'>[]): DataManifest['skipped'] {
  return {
    empty: total(files, 'empty'),
    nearDuplicates: total(files, 'nearDuplicates'),
    blankLines: total(files, 'blankLines'),
  };
}

/** Decides, for the kept documents by their number among those, which are for validation. */
export async function validationChooser(
  files: readonly ScannedFile[],
  fraction: number,
  chosenDocuments = maxChosenDocuments,
): Promise<(kept: number) => boolean> {
  const keptDocuments = total(files, 'keptDocuments');
  if (fraction === 0 || keptDocuments < 2) return () => false;
  if (keptDocuments > chosenDocuments) return (kept) => drawValidation(kept, fraction);
  const sizes = new Float64Array(keptDocuments);
  let kept = 0;
  for (const { recordPath, summary } of files) {
    for await (const { nBytes, isKept } of readSizes(recordPath, summary)) if (isKept) sizes[kept++] = nBytes;
  }
  const isValidation = chooseValidation(sizes, fraction);
  return (document) => isValidation[document] === 1;
}

/** The fates of the documents of one file, in order. */
export async function* readFates(
  { recordPath, summary }: ScannedFile,
  keptBefore: number,
  isValidation: (kept: number) => boolean,
): AsyncGenerator<DocumentFate> {
  let kept = keptBefore;
  for await (const { nBytes, isKept } of readSizes(recordPath, summary)) {
    if (!isKept) yield { nBytes, split: null };
    else yield { nBytes, split: isValidation(kept++) ? 'validation' : 'train' };
  }
}
