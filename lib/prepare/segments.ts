// What the second pass encodes at once: a batch of pieces of text, cut where no token is lost, each for one split.

import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export type Split = 'train' | 'validation';

export interface Segment {
  split: Split;
  text: string;
  /** The endOfText token stands before it, where the tokenizer has one. */
  startsDocument: boolean;
}

/** Tokens for each split, and how many of them each segment has, endOfText included. */
export interface EncodedSegments extends Record<Split, Int32Array> {
  counts: Int32Array;
}

/**
 * Encodes segments in order.
 * @throws {BurgeonError} ERR_BURGEON_DATA for a character that the vocabulary lacks.
 */
export function encodeSegments(tokenizer: Tokenizer, segments: readonly Segment[]): EncodedSegments {
  const parts: Record<Split, Int32Array[]> = { train: [], validation: [] };
  const counts = new Int32Array(segments.length);
  const { endOfText } = tokenizer;
  for (const [i, { split, text, startsDocument }] of segments.entries()) {
    const tokens = tokenizer.encode(text);
    const isSeparated = startsDocument && endOfText !== undefined;
    if (isSeparated) parts[split].push(Int32Array.of(endOfText));
    parts[split].push(tokens);
    counts[i] = tokens.length + (isSeparated ? 1 : 0);
  }
  return { train: concatenate(parts.train), validation: concatenate(parts.validation), counts };
}

function concatenate(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
