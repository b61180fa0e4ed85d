// What a tokenizer makes of texts and tokens, for comparing with the tokenizers library.

import { BurgeonError } from '../../lib/errors.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import type { Kind } from './kinds.ts';

export function makeKind({ json, config }: Kind): Tokenizer {
  const files: Record<string, string> = { 'tokenizer.json': JSON.stringify(json) };
  if (config) files['tokenizer_config.json'] = JSON.stringify(config);
  return createTokenizer({ name: 'huggingface', files });
}

/** The tokens, or why there are none. */
export function encodeOrRefuse(tokenizer: Tokenizer, text: string): number[] | string {
  try {
    return [...tokenizer.encode(text)];
  } catch (error) {
    if (error instanceof BurgeonError) return error.message;
    throw error;
  }
}

/** The text that comes out token by token. */
export function streamed(tokenizer: Tokenizer, tokens: readonly number[]): string {
  const decoder = tokenizer.decoder();
  return tokens.map((token) => decoder.push(token)).join('') + decoder.end();
}
