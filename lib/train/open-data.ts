// Opens the data that a training configuration names, and says what a run reads of them.

import { BatchLoader } from '../data/batch-loader.ts';
import { identifyTokens } from '../data/data-identity.ts';
import { type Dataset, loadDataset } from '../data/dataset.ts';
import { type FixedBatch, fixedWindows } from '../data/fixed-windows.ts';
import type { TokenSource, WindowRule } from '../data/token-source.ts';
import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { FoundData } from './data-record.ts';
import { type DataDescription, describeData } from './describe-data.ts';
import type { TrainConfig } from './train-config.ts';

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where it names none; ERR_BURGEON_DATA as `loadDataset`. */
export function openData(config: TrainConfig): Promise<Dataset> {
  const { directory, train, validation, dtype } = config.data;
  if (directory !== undefined) return loadDataset({ directory });
  if (train !== undefined) return loadDataset({ train, validation, dtype, vocabSize: config.model.vocabSize });
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    'data: expected data.directory (made by `burgeon prepare`) or data.train, received neither',
  );
}

/**
 * @param sequenceLength T.
 * @throws {BurgeonError} ERR_BURGEON_DATA when tokens cannot be read or are outside the vocabulary.
 */
export async function findData({ train, validation, hashed }: Dataset, sequenceLength: number): Promise<FoundData> {
  const hashes = (split: 'train' | 'validation') => hashed?.[split].map(({ sha256 }) => sha256);
  const hasShards = Math.max(train.files.length, validation?.files.length ?? 0) > 1;
  return {
    train: await identifyTokens(train, hashes('train')),
    validation: validation ? await identifyTokens(validation, hashes('validation')) : null,
    usedWithin: hasShards ? sequenceLength * train.with('within').windowCount(sequenceLength) : null,
  };
}

/** What a run reads. */
export interface RunInput {
  train: TokenSource;
  loader: BatchLoader;
  /** The same windows at every evaluation. */
  validation: AsyncIterable<FixedBatch> | undefined;
  description: DataDescription;
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when there is too little, or validation data cannot be read. */
export async function readInput(
  dataset: Dataset,
  config: TrainConfig,
  tokenizer: Tokenizer | undefined,
  { found, windows }: { found: FoundData; windows: WindowRule },
): Promise<RunInput> {
  const { sequenceLength, batchSize, evaluation } = config;
  const train = dataset.train.with(windows);
  const loader = new BatchLoader(train, config);
  const held = dataset.validation?.with(windows);
  const validation = held && fixedWindows(held, sequenceLength, evaluation.windows, batchSize);
  const description = await describeData(dataset, tokenizer, validation);
  return { train, loader, validation, description: { ...description, train: found.train, windows } };
}
