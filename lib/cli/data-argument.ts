// Tokens on the command line: a directory of `burgeon prepare`, or token shards.

import { type Dataset, loadDataset } from '../data/dataset.ts';
import { type DataManifest, readManifest } from '../data/manifest.ts';
import { ShardCheck } from '../data/shard-check.ts';
import type { TokenType } from '../data/token-type.ts';
import { BurgeonError } from '../errors.ts';
import { isDirectory } from '../files/path-kinds.ts';

export interface SplitOptions {
  split: 'train' | 'validation';
  /** V of the model. */
  vocabSize: number;
  /** Type of ids in files without a header. */
  dtype?: TokenType | undefined;
}

/**
 * Opens a split of a prepared data set, or token shards, which have no manifest; the caller awaits `check.finish()` before it
 * believes what it read, and closes.
 * @throws {BurgeonError} ERR_BURGEON_DATA when there are none, or they are not of the model's vocabulary.
 */
export async function openSplit(data: string, { split, vocabSize, dtype }: SplitOptions) {
  if (!(await isDirectory(data))) {
    return opened(await loadDataset({ train: data, vocabSize, dtype }), 'train', undefined);
  }
  const manifest = await readManifest(data);
  if (manifest.vocabSize > vocabSize) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${data}: expected tokens of the model's vocabulary (${vocabSize}), the data set has ${manifest.vocabSize}; was the model trained with another tokenizer?`,
    );
  }
  const dataset = await loadDataset({ directory: data });
  if (dataset[split] === undefined) {
    await dataset.close();
    throw new BurgeonError('ERR_BURGEON_DATA', `${data}: expected a ${split} split, the data set has none`);
  }
  return opened(dataset, split, manifest);
}

function opened(dataset: Dataset, split: SplitOptions['split'], manifest: DataManifest | undefined) {
  for (const finding of dataset.findings) console.error(`note: data: ${finding}`);
  const check = new ShardCheck(dataset.hashed?.[split] ?? []);
  const close = async () => {
    await check.stop();
    await dataset.close();
  };
  return { source: dataset[split]!, manifest, check, close };
}
