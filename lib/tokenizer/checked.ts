// A tokenizer whose arguments are checked before anything is done with them.

import { types } from 'node:util';
import { requireObject, requireReadable, wrong } from '../config/require.ts';
import type { Tokenizer } from './tokenizer.ts';

/** @returns the same, that throws ERR_BURGEON_CONFIG for what is no text, or no list of tokens. */
export function checked(tokenizer: Tokenizer): Tokenizer {
  return {
    ...tokenizer,
    encode: (text) => tokenizer.encode(textOf(text)),
    cutPoint: (text) => tokenizer.cutPoint(textOf(text)),
    decode: (tokens) => tokenizer.decode(listOf(tokens)),
    decoder: () => {
      const decoder = tokenizer.decoder();
      return { push: (token) => decoder.push(tokenOf(token)), end: () => decoder.end() };
    },
    byteLength: (tokens) => tokenizer.byteLength(listOf(tokens)),
  };
}

function textOf(text: string): string {
  if (typeof text === 'string') return text;
  throw wrong('text', 'a string', text);
}

function listOf(tokens: ArrayLike<number>): ArrayLike<number> {
  requireReadable('tokens', tokens);
  const isList = Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && !types.isDataView(tokens));
  if (!isList) requireObject('tokens', tokens, 'a list of token numbers');
  if (!Number.isSafeInteger(tokens.length) || tokens.length < 0)
    throw wrong('tokens', 'a list of token numbers', tokens);
  // All elements of a typed array are of one kind.
  const count = ArrayBuffer.isView(tokens) ? Math.min(1, tokens.length) : tokens.length;
  for (let i = 0; i < count; i++) tokenOf(tokens[i]!, `tokens[${i}]`);
  return tokens;
}

function tokenOf(token: number, name = 'token'): number {
  if (typeof token === 'number') return token;
  throw wrong(name, 'a number', token);
}
