// A tokenizer whose arguments are checked before anything is done with them.

import { requireObject, wrong } from '../config/require.ts';
import type { Tokenizer } from './tokenizer.ts';

/** @returns the same, that throws ERR_BURGEON_CONFIG for what is no text, or no list of tokens. */
export function checked(tokenizer: Tokenizer): Tokenizer {
  return {
    ...tokenizer,
    encode: (text) => tokenizer.encode(textOf(text)),
    cutPoint: (text) => tokenizer.cutPoint(textOf(text)),
    decode: (tokens) => tokenizer.decode(listOf(tokens)),
    byteLength: (tokens) => tokenizer.byteLength(listOf(tokens)),
  };
}

function textOf(text: string): string {
  if (typeof text === 'string') return text;
  throw wrong('text', 'a string', text);
}

function listOf(tokens: ArrayLike<number>): ArrayLike<number> {
  if (Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && !(tokens instanceof DataView))) return tokens;
  requireObject('tokens', tokens, 'a list of token numbers');
  if (Number.isSafeInteger(tokens.length) && tokens.length >= 0) return tokens;
  throw wrong('tokens', 'a list of token numbers', tokens);
}
