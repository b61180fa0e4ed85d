// Evaluation batches: the same windows of a source every time, either some of them, evenly spaced, or all tokens.
// Training batches are batch-loader.ts.

import { BurgeonError } from '../errors.ts';
import { stackWindows, type TokenBatch, type TokenSource } from './token-source.ts';

export interface FixedBatch extends TokenBatch {
  /** Rows of this batch, at most the cap. */
  batchSize: number;
  /** Tokens per row of this batch: T, or less for the end of the tokens. */
  sequenceLength: number;
}

/** Sequences per batch unless told otherwise. */
const defaultBatchSize = 8;

/**
 * @param sequenceLength T.
 * @param count  a number: that many whole windows, evenly spaced from the first (all of them when there are fewer);
 *   'all': every window and, as a batch of one shorter row, what is left at the end, so that every token but the first is
 *   a target exactly once. (Where windows stay within files, this holds for each file.)
 * @param batchSize most rows per batch.
 * @returns batches that can be iterated more than once.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for sizes that are not positive integers; ERR_BURGEON_DATA when the source
 *   has nothing to predict, and while iterating when tokens cannot be read or are outside the vocabulary.
 */
export function fixedWindows(
  source: TokenSource,
  sequenceLength: number,
  count: number | 'all',
  batchSize: number = defaultBatchSize,
): AsyncIterable<FixedBatch> {
  for (const [name, value] of Object.entries({ sequenceLength, batchSize, ...(count === 'all' ? {} : { count }) })) {
    if (Number.isInteger(value) && value > 0) continue;
    throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected a positive integer, received ${value}`);
  }
  if (count === 'all') source.requireWindow(1);
  else source.requireWindow(sequenceLength);
  return {
    async *[Symbol.asyncIterator]() {
      yield* wholeWindows(source, sequenceLength, count, batchSize);
      if (count === 'all') yield* rests(source, sequenceLength);
    },
  };
}

async function* wholeWindows(
  source: TokenSource,
  sequenceLength: number,
  count: number | 'all',
  maxBatchSize: number,
): AsyncGenerator<FixedBatch> {
  const available = source.windowCount(sequenceLength);
  const total = count === 'all' ? available : Math.min(count, available);
  for (let first = 0; first < total; first += maxBatchSize) {
    const batchSize = Math.min(maxBatchSize, total - first);
    const windows = Array.from({ length: batchSize }, (_, row) =>
      source.readWindow(sequenceLength, Math.floor(((first + row) * available) / total)),
    );
    yield { ...stackWindows(await Promise.all(windows), sequenceLength), batchSize, sequenceLength };
  }
}

async function* rests(source: TokenSource, sequenceLength: number): AsyncGenerator<FixedBatch> {
  for (const { start, count } of source.rests(sequenceLength)) {
    const window = await source.readTokens(start, count);
    yield { ...stackWindows([window], count - 1), batchSize: 1, sequenceLength: count - 1 };
  }
}
