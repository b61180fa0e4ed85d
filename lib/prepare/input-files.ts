// Which files `prepare` reads: files, directories and patterns become one sorted list of paths, each file once.
// Reading them is documents.ts.

import { stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { expandFiles, walkFiles } from '../files/globs.ts';
import { isDirectory } from '../files/path-kinds.ts';
import { extensionsOf } from './file-blocks.ts';

/** What a directory is searched for; files of any other kind have to be named or matched by a pattern. */
const textExtensions = new Set(['.txt', '.md', '.jsonl', '.ndjson']);

export interface InputFile {
  path: string;
  /** Size on disk, compressed as it is. */
  nBytes: number;
  /** When it was last changed, in ms. */
  modifiedMs: number;
}

/**
 * @param inputs files (any extension), directories (searched for .txt, .md, .jsonl and .ndjson, compressed or not, and .parquet, without
 *   hidden names), patterns.
 * @returns the files in the order of their absolute paths, each once.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG without inputs; ERR_BURGEON_DATA when one of them yields no file.
 */
export async function findInputFiles(inputs: readonly string[]): Promise<InputFile[]> {
  if (inputs.length === 0) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', 'inputs: expected at least one file, directory or pattern, got none');
  }
  const paths = new Map<string, string>();
  for (const input of inputs) {
    const found = (await isDirectory(input)) ? await textFilesIn(input) : await expandFiles(input);
    for (const path of found) if (!paths.has(resolve(path))) paths.set(resolve(path), path);
  }
  const sorted = [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  return Promise.all(
    sorted.map(async (path) => {
      const { size, mtimeMs } = await stat(path);
      return { path, nBytes: size, modifiedMs: mtimeMs };
    }),
  );
}

async function textFilesIn(directory: string): Promise<string[]> {
  const files: string[] = [];
  for await (const path of walkFiles(sep === '\\' ? directory.replaceAll('\\', '/') : directory, { hidden: false })) {
    const [kind, compression] = extensionsOf(path);
    if (textExtensions.has(kind) || (kind === '.parquet' && !compression)) files.push(path);
  }
  if (files.length === 0) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${directory}: expected .txt, .md, .jsonl, .ndjson (also .gz, .zst) or .parquet files in this directory, found none; name ` +
        'other text files by a pattern, such as "src/**/*.ts"',
    );
  }
  return files;
}
