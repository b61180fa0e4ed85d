// Where the tokens of an ending begin. A context and what follows it are encoded together, as text is in training, and the
// cut is where the tokens of the context alone would end. White space at the end of the context belongs to the ending,
// because a token usually takes the space before its word. This is the rule of lm-evaluation-harness
// (lm_eval/api/model.py), so that both score the same tokens.

import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface EncodedEndings {
  context: Int32Array;
  endings: Int32Array[];
}

/**
 * @param context may be empty: end-of-text stands for it.
 * @param endings texts that follow it directly: where there is a space between, they begin with it.
 * @throws {BurgeonError} ERR_BURGEON_DATA for text that the vocabulary lacks, an ending without a token of its own, or an
 *   empty context where the vocabulary has no end-of-text.
 */
export function encodeEndings(tokenizer: Tokenizer, context: string, endings: readonly string[]): EncodedEndings {
  const start = context.replace(/\p{White_Space}+$/u, '');
  const space = context.slice(start.length);
  const startTokens = tokenizer.encode(start);
  return {
    context: startTokens.length > 0 ? startTokens : endOfText(tokenizer),
    endings: endings.map((ending, i) => {
      const tokens = tokenizer.encode(start + space + ending).slice(startTokens.length);
      if (tokens.length > 0) return tokens;
      throw new BurgeonError('ERR_BURGEON_DATA', `endings[${i}]: expected at least one token after the context`);
    }),
  };
}

function endOfText({ name, endOfText }: Tokenizer): Int32Array {
  if (endOfText !== undefined) return Int32Array.of(endOfText);
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `context: expected text, found none, and the ${name} tokenizer has no end-of-text token to stand for it`,
  );
}
