// Which tokens a source has, wherever they lie: known at once for data of any size, from their number, a sample of them,
// and the hashes that the shards were written with, where there are any.

import { createHash } from 'node:crypto';
import type { TokenSource } from './token-source.ts';

/** Tokens of a sample; a source that has no more of them is read as a whole. */
const sampleTokens = 1 << 20;
/** Consecutive tokens of a sample. */
const blockTokens = 1 << 12;

export interface DataIdentity {
  tokens: number;
  /** SHA-256 of a sample of the tokens, as little-endian 32-bit integers: of all of them up to 2^20, else evenly spaced. */
  sample: string;
  /** SHA-256 over the hashes of the shards, in order; null for data that has none. */
  shards: string | null;
}

/**
 * @param hashes of the source's files, in order, if known.
 * @throws {BurgeonError} ERR_BURGEON_DATA when tokens cannot be read or are outside the vocabulary.
 */
export async function identifyTokens(source: TokenSource, hashes?: readonly string[]): Promise<DataIdentity> {
  const hash = createHash('sha256');
  for await (const block of sampleBlocks(source)) {
    hash.update(new Uint8Array(block.buffer, block.byteOffset, block.byteLength));
  }
  const shards = hashes === undefined ? null : createHash('sha256').update(hashes.join('\n')).digest('hex');
  return { tokens: source.tokenCount, sample: hash.digest('hex'), shards };
}

/** Whether these can be the same tokens: whatever is known of both is equal. */
export function isSameData(one: DataIdentity, other: DataIdentity): boolean {
  const areShardsEqual = one.shards === other.shards || one.shards === null || other.shards === null;
  return one.tokens === other.tokens && one.sample === other.sample && areShardsEqual;
}

/** Evenly spaced blocks, from the first token to the last; every token of a small source. */
async function* sampleBlocks(source: TokenSource): AsyncGenerator<Int32Array> {
  const { tokenCount } = source;
  const isWhole = tokenCount <= sampleTokens;
  const count = isWhole ? Math.ceil(tokenCount / blockTokens) : sampleTokens / blockTokens;
  for (let i = 0; i < count; i++) {
    const start = isWhole ? i * blockTokens : Math.floor((i * (tokenCount - blockTokens)) / (count - 1));
    yield await source.readTokens(start, Math.min(blockTokens, tokenCount - start));
  }
}
