// What every tokenizer offers. Types only: the tokenizers are gpt2.ts, bytes.ts, chars.ts and huggingface-tokenizer.ts, and
// open-tokenizer.ts makes one.

import type { TokenizerDescription } from './description.ts';

export type { TokenizerDescription } from './description.ts';

/** Turns tokens into text one at a time; bytes of an unfinished UTF-8 sequence wait for the rest. */
export interface TokenDecoder {
  /**
   * @returns the text that has become complete with this token, often but not always one token's worth.
   * @throws {BurgeonError} ERR_BURGEON_DATA when the token is not in the vocabulary.
   */
  push(token: number): string;
  /** @returns what is left: U+FFFD for an unfinished sequence, otherwise nothing. The decoder can be used again. */
  end(): string;
}

/** Text to tokens and back. Tokenizers hold no state that a call changes, apart from caches. */
export interface Tokenizer {
  readonly name: TokenizerDescription['name'];
  /** V: tokens are 0 to V - 1. */
  readonly vocabSize: number;
  /** The token that separates documents, where the vocabulary has one. */
  readonly endOfText: number | undefined;
  /**
   * Encodes ordinary text: the characters of a special token, for instance "<|endoftext|>", get no special treatment.
   * Surrogates without a partner count as U+FFFD.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a character that a chars vocabulary lacks.
   */
  encode(text: string): Int32Array;
  /**
   * Text of the tokens; bytes that are not UTF-8 become U+FFFD.
   * @throws {BurgeonError} ERR_BURGEON_DATA when a token is not in the vocabulary.
   */
  decode(tokens: ArrayLike<number>): string;
  /** A streaming `decode`: the pieces joined, with `end()` at the end, are what `decode` returns. */
  decoder(): TokenDecoder;
  /**
   * Number of UTF-8 bytes that the tokens stand for, endOfText counting as none: what turns nats per token into bits
   * per byte.
   * @throws {BurgeonError} ERR_BURGEON_DATA when a token is not in the vocabulary.
   */
  byteLength(tokens: ArrayLike<number>): number;
  /**
   * The last position at which the text can be cut without changing a token, whatever follows it: encode(text + more)
   * is encode(text.slice(0, p)) followed by encode(text.slice(p) + more). 0 when there is none.
   * @param after places up to this one need not be considered, 0 unless given.
   */
  cutPoint(text: string, after?: number): number;
  /** Files that make a checkpoint directory self-contained: name -> UTF-8 content. Computed once. */
  files(): Readonly<Record<string, string>>;
  /** What `createTokenizer` needs to make this tokenizer again. */
  toJSON(): TokenizerDescription;
}

/** The part of a tokenizer that turns text into tokens and back. */
export type TokenizerCore = Pick<Tokenizer, 'encode' | 'decode' | 'decoder' | 'byteLength' | 'cutPoint'>;
