// Decoding for tokenizers whose tokens are byte sequences (gpt2 and bytes): bytes joined, then read as UTF-8 with
// U+FFFD for what is not. A character may span several tokens, so the streaming form holds unfinished sequences back.

import { BurgeonError } from '../errors.ts';
import { quote } from '../quote.ts';
import type { TokenDecoder } from './tokenizer.ts';

/** The bytes of every token of a vocabulary, and how to get text from them. */
export class TokenBytes {
  readonly #name: string;
  readonly #bytes: readonly Uint8Array[];
  readonly #endOfText: number | undefined;

  /**
   * @param name      the tokenizer's name, for error messages.
   * @param bytes     bytes of token i at index i.
   * @param endOfText the token that stands for no text, if there is one.
   */
  constructor(name: string, bytes: readonly Uint8Array[], endOfText?: number) {
    this.#name = name;
    this.#bytes = bytes;
    this.#endOfText = endOfText;
  }

  /** @throws {BurgeonError} ERR_BURGEON_DATA when the token is not in the vocabulary. */
  of(token: number): Uint8Array {
    const bytes = this.#bytes[token];
    if (!bytes) throw unknownToken(this.#name, token, this.#bytes.length);
    return bytes;
  }

  /** As Tokenizer.byteLength. */
  byteLength(tokens: ArrayLike<number>): number {
    let length = 0;
    for (let i = 0; i < tokens.length; i++) {
      if (tokens[i] !== this.#endOfText) length += this.of(tokens[i]!).length;
    }
    return length;
  }

  decode(tokens: ArrayLike<number>): string {
    let length = 0;
    for (let i = 0; i < tokens.length; i++) length += this.of(tokens[i]!).length;
    const joined = new Uint8Array(length);
    let end = 0;
    for (let i = 0; i < tokens.length; i++) {
      const bytes = this.of(tokens[i]!);
      joined.set(bytes, end);
      end += bytes.length;
    }
    return newUtf8Decoder().decode(joined);
  }

  decoder(): TokenDecoder {
    const utf8 = newUtf8Decoder();
    return {
      push: (token) => utf8.decode(this.of(token), { stream: true }),
      end: () => utf8.decode(),
    };
  }
}

/** The error for a token outside a vocabulary of `vocabSize` tokens. */
export function unknownToken(tokenizerName: string, token: number, vocabSize: number): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `token ${quote(token)}: expected an integer from 0 to ${vocabSize - 1}, the vocabulary of the ${tokenizerName} ` +
      'tokenizer; the tokens may come from a model or a data set with another tokenizer',
  );
}

// ignoreBOM means "leave it in": a byte order mark inside generated text is a character like any other.
function newUtf8Decoder() {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}
