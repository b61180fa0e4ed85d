// Tokens on the command line: a directory of `burgeon prepare`, or token shards.

import { loadDataset } from '../data/dataset.ts';
import { readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { isDirectory } from '../files/path-kinds.ts';

/**
 * Opens a split of a prepared data set, or token shards, which have no manifest; the caller closes the dataset.
 * @throws {BurgeonError} ERR_BURGEON_DATA when there are none, or they are not of the model's vocabulary.
 */
export async function openSplit(data: string, split: 'train' | 'validation', vocabSize: number) {
  if (!(await isDirectory(data))) {
    const dataset = await loadDataset({ train: data, vocabSize });
    return { dataset, source: dataset.train, manifest: undefined };
  }
  const manifest = await readManifest(data);
  if (manifest.vocabSize > vocabSize) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${data}: expected tokens of the model's vocabulary (${vocabSize}), the data set has ${manifest.vocabSize}; was the model trained with another tokenizer?`,
    );
  }
  const dataset = await loadDataset({ directory: data });
  const source = dataset[split];
  if (source === undefined) {
    await dataset.close();
    throw new BurgeonError('ERR_BURGEON_DATA', `${data}: expected a ${split} split, the data set has none`);
  }
  return { dataset, source, manifest };
}
