// Opens training data: a directory made by prepare.ts, or lists of token files from elsewhere. What comes out are token
// sources; reading batches from them is batch-loader.ts and fixed-windows.ts.

import { join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { expandFiles } from '../files/globs.ts';
import type { TokenizerDescription } from '../tokenizer/description.ts';
import { manifestFileName, readManifest, type SplitManifest } from './manifest.ts';
import type { HashedShard } from './shard-check.ts';
import { checkTokenFiles, warnOfSharedFiles } from './token-check.ts';
import type { TokenFileOptions } from './token-layout.ts';
import { TokenSource } from './token-source.ts';

export type DatasetOptions =
  | {
      /** Made by `prepare`. */
      directory: string;
    }
  | ({
      /** Token files or patterns; read in sorted order, whatever the order given. */
      train: string | readonly string[];
      validation?: string | readonly string[] | undefined;
    } & TokenFileOptions);

/** The text of a prepared data set, however it was encoded: equal for data sets that were made of the same text. */
export interface PreparedText {
  documents: number;
  /** UTF-8. */
  bytes: number;
  /** Documents left out because they repeat others. */
  nearDuplicates: number;
  validationFraction: number;
}

export interface Dataset {
  train: TokenSource;
  validation?: TokenSource;
  /** Known for prepared data. */
  tokenizer?: TokenizerDescription;
  vocabSize?: number;
  text?: PreparedText;
  /** What was odd about the text, said when it was prepared. */
  warnings?: readonly string[];
  /** What is odd about the tokens, found now. */
  findings: readonly string[];
  /** What the shards of each split were when they were written; absent where the manifest has no hashes, or there is none. */
  hashed?: { train: readonly HashedShard[]; validation: readonly HashedShard[] };
  /** Closes both sources. */
  close(): Promise<void>;
}

/**
 * Opens the data; the caller closes it.
 * @throws {BurgeonError} ERR_BURGEON_DATA when files are missing, damaged, in a format that is not supported, or not
 *   those of the manifest.
 */
export async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  return 'directory' in options ? openPrepared(options.directory) : openFiles(options);
}

async function openPrepared(directory: string): Promise<Dataset> {
  const { splits, tokenizer, vocabSize, warnings, source, skipped, options } = await readManifest(directory);
  const open = (split: SplitManifest) => openSplit(directory, split, vocabSize);
  const sources = await openBoth(() => open(splits.train), splits.validation && (() => open(splits.validation!)));
  const { documents, bytes } = source;
  const { validationFraction } = options;
  const text = { documents, bytes, nearDuplicates: skipped.nearDuplicates, validationFraction };
  const hashed = (files: TokenSource['files'] = [], hashes: readonly string[] = []) =>
    hashes.map((sha256, i) => ({ file: files[i]!, sha256 }));
  const isHashed = splits.train.sha256 && (!splits.validation || splits.validation.sha256);
  const shards = {
    train: hashed(sources.train.files, splits.train.sha256),
    validation: hashed(sources.validation?.files, splits.validation?.sha256),
  };
  const findings = isHashed ? sources.findings : [...sources.findings, lackOfHashes(directory)];
  return { ...sources, tokenizer, vocabSize, text, warnings, findings, ...(isHashed ? { hashed: shards } : {}) };
}

function lackOfHashes(directory: string): string {
  return (
    `${join(directory, manifestFileName)} has no hashes of the shards, as an earlier version wrote it: damaged ones are not ` +
    'noticed; prepare the data again to have them'
  );
}

async function openSplit(directory: string, split: SplitManifest, vocabSize: number): Promise<TokenSource> {
  const source = await TokenSource.open(
    split.files.map((name) => join(directory, name)),
    { vocabSize },
  );
  if (source.tokenCount === split.tokens) return source;
  await source.close();
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${join(directory, manifestFileName)}: expected ${split.tokens} tokens in ${split.files.join(', ')}, found ` +
      `${source.tokenCount}; the files are not those of this manifest, prepare the data again`,
  );
}

async function openFiles({ train, validation, ...options }: Extract<DatasetOptions, { train: unknown }>) {
  const { vocabSize } = options;
  const open = async (patterns: string | readonly string[]) => TokenSource.open(await expandAll(patterns), options);
  const sources = await openBoth(() => open(train), validation === undefined ? undefined : () => open(validation));
  try {
    const findings = [
      ...sources.findings,
      ...(await checkTokenFiles(sources.train, options, 'train')),
      ...(sources.validation ? await checkTokenFiles(sources.validation, options, 'validation') : []),
    ];
    return { ...sources, findings, ...(vocabSize === undefined ? {} : { vocabSize }) };
  } catch (error) {
    await sources.close();
    throw error;
  }
}

async function expandAll(patterns: string | readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    for (const file of await expandFiles(pattern)) files.add(file);
  }
  return [...files].sort();
}

/** Opens both splits, or none. */
async function openBoth(
  openTrain: () => Promise<TokenSource>,
  openValidation: (() => Promise<TokenSource>) | undefined,
): Promise<Dataset> {
  const train = await openTrain();
  if (!openValidation) return { train, findings: [], close: () => train.close() };
  let validation: TokenSource | undefined;
  const close = async () => {
    await train.close();
    await validation?.close();
  };
  try {
    validation = await openValidation();
    return { train, validation, findings: await warnOfSharedFiles(train, validation), close };
  } catch (error) {
    await close();
    throw error;
  }
}
