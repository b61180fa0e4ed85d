// Which files `prepare` reads: files, directories and patterns become one sorted list of paths, each file once.
// Reading them is documents.ts.

import { stat } from 'node:fs/promises';
import { basename, dirname, resolve, sep } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { directoryKind } from '../files/directory-kind.ts';
import { expandFiles, walkFiles } from '../files/globs.ts';
import { isDirectory } from '../files/path-kinds.ts';
import { quote } from '../quote.ts';
import { extensionsOf } from './file-blocks.ts';
import { columnOf, hasColumns, type TextColumns } from './text-columns.ts';

/** What a directory is searched for; files of any other kind have to be named or matched by a pattern. */
const textExtensions = new Set(['.txt', '.md', '.jsonl', '.ndjson']);

export interface InputFile {
  path: string;
  /** Size on disk, compressed as it is. */
  nBytes: number;
  /** When it was last changed, in ms. */
  modifiedMs: number;
  /** Field or column that holds its text, if one was named. */
  textColumn?: string | undefined;
}

/**
 * @param inputs files (any extension), directories (searched for .txt, .md, .jsonl and .ndjson, compressed or not, and .parquet, without
 *   hidden names), patterns.
 * @param columns of the text, checked by requireTextColumns.
 * @returns the files in the order of their absolute paths, each once.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG without inputs, and for a file with two columns, or one of an input
 *   without any; ERR_BURGEON_DATA when one of them yields no file.
 */
export async function findInputFiles(inputs: readonly string[], columns: TextColumns = {}): Promise<InputFile[]> {
  if (inputs.length === 0) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', 'inputs: expected at least one file, directory or pattern, got none');
  }
  const paths = new Map<string, FoundFile>();
  for (const input of inputs) {
    const found = (await isDirectory(input)) ? await textFilesIn(input) : await expandFiles(input);
    const of = { input, ...columnOf(input, columns) };
    if (of.isOwn && !found.some(hasColumns)) throw withoutColumns(input, of.column!);
    for (const path of found) paths.set(resolve(path), chosen(paths.get(resolve(path)), { path, ...of }));
  }
  const sorted = [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
  return Promise.all(
    sorted.map(async ({ path, column }) => {
      const { size, mtimeMs } = await stat(path);
      return { path, nBytes: size, modifiedMs: mtimeMs, textColumn: hasColumns(path) ? column : undefined };
    }),
  );
}

/**
 * Files in the directories among the inputs that are not read, as their names do not say that they are text.
 * @throws {BurgeonError} as `findInputFiles`.
 */
export async function findPassedOver(inputs: readonly string[]): Promise<string[]> {
  const read = new Set((await findInputFiles(inputs)).map(({ path }) => resolve(path)));
  const others = new Map<string, string>();
  for (const input of inputs) {
    if (!(await isDirectory(input))) continue;
    for (const path of await filesIn(input)) if (!read.has(resolve(path))) others.set(resolve(path), path);
  }
  return [...others.values()];
}

/** A file of an input, and the column that is named for it. */
interface FoundFile {
  path: string;
  input: string;
  column: string | undefined;
  isOwn: boolean;
}

/** Of two inputs with the same file: the first, unless only the other has a column of its own. */
function chosen(before: FoundFile | undefined, now: FoundFile): FoundFile {
  if (before === undefined) return now;
  if (before.isOwn && now.isOwn && before.column !== now.column) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `textColumns: expected one column for ${now.path}, received ${quote(before.column)} with the input ${before.input} and ` +
        `${quote(now.column)} with ${now.input}; name the file in one of them only`,
    );
  }
  return now.isOwn && !before.isOwn ? { ...now, path: before.path } : before;
}

function withoutColumns(input: string, column: string): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `textColumns: expected an input with .jsonl, .ndjson, .json or .parquet files for column ${quote(column)}, ${input} has none; ` +
      'leave the column out',
  );
}

/** All of a directory but hidden names and prepared data sets, such as the one that was made of it before. */
async function filesIn(directory: string): Promise<string[]> {
  const slashed = sep === '\\' ? directory.replaceAll('\\', '/') : directory;
  const byDirectory = new Map<string, string[]>();
  for await (const path of walkFiles(slashed, { hidden: false })) {
    const names = byDirectory.get(dirname(path)) ?? [];
    names.push(path);
    byDirectory.set(dirname(path), names);
  }
  const isDataSet = (paths: readonly string[]) =>
    directoryKind(paths.map((path) => basename(path)))?.what === 'a data set';
  return [...byDirectory.values()].filter((paths) => !isDataSet(paths)).flat();
}

async function textFilesIn(directory: string): Promise<string[]> {
  const files: string[] = [];
  for (const path of await filesIn(directory)) {
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
