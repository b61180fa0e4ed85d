// Tokens on the command line: a directory of `burgeon prepare`, or token shards.

import { type Dataset, loadDataset } from '../data/dataset.ts';
import { type DataManifest, readManifest } from '../data/manifest.ts';
import { ShardCheck } from '../data/shard-check.ts';
import type { TokenType } from '../data/token-type.ts';
import { BurgeonError } from '../errors.ts';
import { isDirectory } from '../files/path-kinds.ts';
import { tokenizerDifference } from '../tokenizer/difference.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import { findTokenizer } from './model-argument.ts';
import { sayNote } from './say-note.ts';

export interface SplitOptions {
  split: 'train' | 'validation';
  /** V of the model. */
  vocabSize: number;
  /** Directory of the model, which may have a tokenizer. */
  model: string;
  /** Type of ids in files without a header. */
  dtype?: TokenType | undefined;
}

/**
 * Opens a split of a prepared data set, or token shards, which have no manifest; the caller awaits `check.finish()` before it
 * believes what it read, and closes.
 * @throws {BurgeonError} ERR_BURGEON_DATA when there are none, or they are not of the model's vocabulary.
 */
export async function openSplit(data: string, { split, vocabSize, model, dtype }: SplitOptions) {
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
  await requireSameTokenizer(data, manifest, model);
  const dataset = await loadDataset({ directory: data });
  if (dataset[split] === undefined) {
    await dataset.close();
    throw new BurgeonError('ERR_BURGEON_DATA', `${data}: expected a ${split} split, the data set has none`);
  }
  return opened(dataset, split, manifest);
}

/** Ids of another tokenizer may all be in the vocabulary, and mean something else. */
async function requireSameTokenizer(data: string, { tokenizer }: DataManifest, model: string): Promise<void> {
  const own = await findTokenizer(model);
  if (own === undefined) return;
  const found = createTokenizer(tokenizer);
  if (JSON.stringify(own) === JSON.stringify(found)) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${data}: expected tokens of the model's tokenizer (${own.name}, vocabulary ${own.vocabSize}), found those of another ` +
      `(${tokenizerDifference(own, found)}); prepare the text with -t ${model}`,
  );
}

function opened(dataset: Dataset, split: SplitOptions['split'], manifest: DataManifest | undefined) {
  for (const finding of dataset.findings) sayNote(`data: ${finding}`);
  const check = new ShardCheck(dataset.hashed?.[split] ?? []);
  const close = async () => {
    await check.stop();
    await dataset.close();
  };
  return { source: dataset[split]!, manifest, check, close };
}
