// What the second pass encodes at once: a batch of pieces of text, cut where no token is lost, each for one split.

import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export type Split = 'train' | 'validation';

export interface Segment {
  split: Split;
  text: string;
  /** The endOfText token stands before it, where the tokenizer has one. */
  startsDocument: boolean;
}

/** Tokens for each split. */
export type SplitTokens = Record<Split, Int32Array>;

/**
 * Encodes segments in order.
 * @throws {BurgeonError} ERR_BURGEON_DATA for a character that the vocabulary lacks.
 */
export function encodeSegments(tokenizer: Tokenizer, segments: readonly Segment[]): SplitTokens {
  const parts: Record<Split, Int32Array[]> = { train: [], validation: [] };
  for (const { split, text, startsDocument } of segments) {
    const { endOfText } = tokenizer;
    if (startsDocument && endOfText !== undefined) parts[split].push(Int32Array.of(endOfText));
    parts[split].push(tokenizer.encode(text));
  }
  return { train: concatenate(parts.train), validation: concatenate(parts.validation) };
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
