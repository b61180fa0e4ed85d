// Byte pair encoding as data, and its native encoder (native/tokenizer/): bytes of the tokens, and the merges in the
// order they were learned.

import type { NativeBytePairEncoder, NativeTokens } from '../addon/binding.ts';
import { loadAddon, nativeSync } from '../addon/load.ts';

/** Two neighbours and the token that replaces them. */
export type Merge = readonly [left: number, right: number, token: number];

export interface BytePairVocabulary {
  /** Bytes of token i at index i; none for a token that no text becomes. */
  readonly tokens: readonly Uint8Array[];
  /** In the order learned. */
  readonly merges: readonly Merge[];
}

/**
 * An encoder with GPT-2's split pattern.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a byte has no token, or a pair has two merges.
 */
export function createBytePairEncoder({ tokens, merges }: BytePairVocabulary): NativeBytePairEncoder {
  return nativeSync(() => {
    const { bytes, lengths } = flatten(tokens);
    return new (loadAddon().binding.NativeBytePairEncoder)(bytes, lengths, Int32Array.from(merges.flat()));
  });
}

/** The merges of three numbers each. */
export function toMerges(numbers: Int32Array): Merge[] {
  return Array.from({ length: numbers.length / 3 }, (_, i) => [
    numbers[3 * i]!,
    numbers[3 * i + 1]!,
    numbers[3 * i + 2]!,
  ]);
}

/** The tokens, each with its own bytes. */
export function toTokens({ bytes, lengths }: NativeTokens): Uint8Array[] {
  let begin = 0;
  return Array.from(lengths, (length) => {
    begin += length;
    return bytes.subarray(begin - length, begin);
  });
}

function flatten(tokens: readonly Uint8Array[]): NativeTokens {
  return { bytes: new Uint8Array(Buffer.concat(tokens)), lengths: Int32Array.from(tokens, ({ length }) => length) };
}
