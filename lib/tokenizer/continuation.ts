// The text that new tokens add to a prompt. Tokenizers may drop a space at the start of a text, or join words and marks once the rest
// is known: so prompt and new tokens are decoded as one text, of which the part after the prompt is given.

import type { TokenDecoder, Tokenizer } from './tokenizer.ts';

/** As TokenDecoder, of what comes after the prompt. Each token is decoded once, those of the prompt twice. */
export class ContinuationDecoder implements TokenDecoder {
  readonly #decoder: TokenDecoder;
  /** The prompt as its tokens are decoded, which may not be how it was written. */
  readonly #prompt: string;
  /** Text so far while it is not known to contain all of the prompt. */
  #start: string | undefined;

  constructor(tokenizer: Pick<Tokenizer, 'decode' | 'decoder'>, promptTokens: ArrayLike<number>) {
    this.#decoder = tokenizer.decoder();
    this.#prompt = tokenizer.decode(promptTokens);
    const pieces: string[] = [];
    for (let i = 0; i < promptTokens.length; i++) pieces.push(this.#decoder.push(promptTokens[i]!));
    this.#start = pieces.join('');
  }

  push(token: number): string {
    return this.#after(this.#decoder.push(token), false);
  }

  end(): string {
    return this.#after(this.#decoder.end(), true);
  }

  #after(text: string, isLast: boolean): string {
    if (this.#start === undefined) return text;
    this.#start += text;
    if (!isLast && this.#start.length < this.#prompt.length) return '';
    const end = endOfPrompt(this.#start, this.#prompt);
    if (!isLast && end === undefined) return '';
    const more = this.#start.slice(end ?? this.#start.length);
    this.#start = undefined;
    return more;
  }
}

/**
 * Where the prompt ends in a text that begins with it. What follows may have changed spaces in it or at its end, nothing else: then as
 * many other characters belong to it.
 * @returns undefined while the text is too short.
 */
function endOfPrompt(text: string, prompt: string): number | undefined {
  if (text.startsWith(prompt)) return prompt.length;
  let left = 0;
  for (const character of prompt) if (character !== ' ') left++;
  let at = 0;
  for (const character of text) {
    if (left === 0) break;
    if (character !== ' ') left--;
    at += character.length;
  }
  return left === 0 ? at : undefined;
}
