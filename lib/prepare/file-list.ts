// What prepare did with each input file: a list beside the token shards, one JSON object per line.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { replaceFile } from '../files/replace-file.ts';
import type { EncodeState } from './encode-state.ts';
import type { InputFile } from './input-files.ts';
import type { FileSummary } from './scan-record.ts';

/** Its name in the directory of the data set. */
export const fileListName = 'files.jsonl';

export interface FileReport {
  /** Path, as it was given or found. */
  file: string;
  /** Field or column of the text, where one was named. */
  textColumn?: string;
  /** Documents in it, and UTF-8 bytes of their text. */
  documents: number;
  bytes: number;
  /** Documents of those that are in the data set. */
  kept: number;
  /** Left out: documents of white space only, near-duplicates; and lines of .jsonl with nothing on them. */
  empty: number;
  nearDuplicates: number;
  blankLines: number;
  /** Replacement characters (U+FFFD) put in for bytes that were not UTF-8. */
  invalidUtf8: number;
  /** In each split, those between documents included; not known in a dry run. */
  tokens?: { train: number; validation: number };
}

export function fileReport(
  { path, textColumn, summary }: Pick<InputFile, 'path' | 'textColumn'> & { summary: FileSummary },
  tokens?: FileReport['tokens'],
): FileReport {
  const { documents, bytes, keptDocuments, empty, nearDuplicates, blankLines, invalidUtf8 } = summary;
  return {
    file: path,
    ...(textColumn === undefined ? {} : { textColumn }),
    ...{ documents, bytes, kept: keptDocuments, empty, nearDuplicates, blankLines, invalidUtf8 },
    ...(tokens ? { tokens } : {}),
  };
}

/**
 * Reads the list of a data set.
 * @throws {BurgeonError} ERR_BURGEON_DATA when it is missing or damaged.
 */
export async function readFileList(directory: string): Promise<FileReport[]> {
  const path = join(directory, fileListName);
  try {
    const text = await readFile(path, 'utf8');
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as FileReport]));
  } catch (cause) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected the list of files that prepare writes, but ${(cause as Error).message}; prepare the data again`,
      { cause },
    );
  }
}

/** Writes the list. @throws {BurgeonError} ERR_BURGEON_DATA when that fails. */
export async function writeFileList(
  directory: string,
  files: readonly (InputFile & { summary: FileSummary })[],
  { train, validation }: EncodeState['fileTokens'],
): Promise<void> {
  const lines = files.map((file, i) =>
    JSON.stringify(fileReport(file, { train: train[i] ?? 0, validation: validation[i] ?? 0 })),
  );
  await replaceFile(join(directory, fileListName), `${lines.join('\n')}\n`);
}
