// Training batches. The windows of a source (token-source.ts) come in a new random order in every epoch, each once; the
// order is a pure function of (seed, epoch), so batch number i is the same whenever and by whomever it is asked for: a
// resumed run needs no loader state, and ranks share one sequence by asking for different numbers. The next batch is
// read while the current one is in use.

import { BurgeonError } from '../errors.ts';
import { CounterRng, permutation } from '../est/rng.ts';
import { stackWindows, type TokenBatch, type TokenSource } from './token-source.ts';

/** First path element of the random streams used here ("data"). */
const streamTag = 0x64617461;

/**
 * Orders kept: a batch that straddles epochs and the one read ahead need two, unless an epoch is shorter than a batch.
 */
const maxOrders = 2;

export interface BatchLoaderOptions {
  /** T: tokens per sequence. */
  sequenceLength: number;
  /** B: sequences per micro-batch. */
  batchSize: number;
  /** Fixes the order; any safe integer. */
  seed: number;
}

export class BatchLoader {
  readonly sequenceLength: number;
  readonly batchSize: number;
  /** Windows of the source, each of which an epoch shows once. */
  readonly windowsPerEpoch: number;
  readonly #source: TokenSource;
  readonly #seed: number;
  /** Epoch -> its order of windows, 4 bytes per window. */
  readonly #orders = new Map<number, Uint32Array>();
  #ahead: { index: number; batchSize: number; batch: Promise<TokenBatch> } | undefined;

  /**
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for sizes that are not positive integers or a seed that is no integer;
   *   ERR_BURGEON_DATA when the source has no window.
   */
  constructor(source: TokenSource, { sequenceLength, batchSize, seed }: BatchLoaderOptions) {
    for (const [name, value] of Object.entries({ sequenceLength, batchSize })) {
      if (Number.isInteger(value) && value > 0) continue;
      throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected a positive integer, received ${value}`);
    }
    if (!Number.isSafeInteger(seed)) {
      throw new BurgeonError('ERR_BURGEON_CONFIG', `seed: expected an integer, received ${seed}`);
    }
    source.requireWindow(sequenceLength);
    this.sequenceLength = sequenceLength;
    this.batchSize = batchSize;
    this.windowsPerEpoch = source.windowCount(sequenceLength);
    this.#source = source;
    this.#seed = seed;
  }

  /** The epoch, from 0, in which micro-batch `index` begins; it may end in the next. */
  epochOf(index: number): number {
    return Math.floor((index * this.batchSize) / this.windowsPerEpoch);
  }

  /**
   * Micro-batch `index` (from 0): windows number index * B to index * B + B - 1 of the endless sequence of epochs.
   * @param batchSize B, where it is not the loader's.
   * @param next the one that is read ahead: ranks ask for other numbers.
   * @returns tokens and targets, both (B, T) row-major; new arrays each time.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for an index that is no natural number; ERR_BURGEON_DATA when tokens
   *   cannot be read or are outside the vocabulary.
   */
  async batch(index: number, batchSize = this.batchSize, next = index + 1): Promise<TokenBatch> {
    if (!Number.isSafeInteger(index) || index < 0) {
      throw new BurgeonError('ERR_BURGEON_CONFIG', `batch index: expected an integer from 0, received ${index}`);
    }
    const ahead = this.#ahead;
    const isAhead = ahead?.index === index && ahead.batchSize === batchSize;
    this.#ahead = undefined;
    const batch = await (isAhead ? ahead.batch : this.#read(index, batchSize));
    this.#readAhead(next, batchSize);
    return batch;
  }

  #readAhead(index: number, batchSize: number): void {
    const batch = this.#read(index, batchSize);
    // If nobody asks for it (the run is over, the file is closed), a failure does not matter; if somebody does, they
    // get it.
    batch.catch(() => {});
    this.#ahead = { index, batchSize, batch };
  }

  async #read(index: number, batchSize: number): Promise<TokenBatch> {
    const windows: Array<Promise<Int32Array>> = [];
    for (let row = 0; row < batchSize; row++) {
      windows.push(this.#source.readWindow(this.sequenceLength, this.#windowAt(index * batchSize + row)));
    }
    return stackWindows(await Promise.all(windows), this.sequenceLength);
  }

  /** The window at a place of the endless sequence. */
  #windowAt(place: number): number {
    const epoch = Math.floor(place / this.windowsPerEpoch);
    let order = this.#orders.get(epoch);
    if (!order) {
      order = permutation(new CounterRng(this.#seed, streamTag, epoch), this.windowsPerEpoch);
      this.#orders.set(epoch, order);
      // The first key is the one added longest ago.
      if (this.#orders.size > maxOrders) this.#orders.delete(this.#orders.keys().next().value!);
    }
    return order[place % this.windowsPerEpoch]!;
  }
}
