// Encoding a text that arrives in pieces: the tokens are those of the whole text, whatever the pieces. Relies on
// Tokenizer.cutPoint for where a text may be cut.

import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A text without a place to cut is held in memory; beyond this many UTF-16 units it is taken for a mistake. */
const maxHeldLength = 2 ** 24;

/** Encodes one text; start a new one for the next. */
export class StreamEncoder {
  readonly #tokenizer: Tokenizer;
  #held = '';

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * @returns tokens that are certain by now, perhaps none.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a character the vocabulary lacks, or for 2^24 characters of the same
   *   kind in a row (letters without any space, for instance).
   */
  push(text: string): Int32Array {
    const all = this.#held + text;
    // What was held back has no place to cut, except perhaps in front of a last character that was incomplete.
    const end = this.#tokenizer.cutPoint(all, Math.max(0, this.#held.length - 2));
    this.#held = all.slice(end);
    if (this.#held.length > maxHeldLength) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `text: expected a word boundary within ${maxHeldLength} characters, found none; if this is really text, use the ` +
          'bytes tokenizer',
      );
    }
    return this.#tokenizer.encode(all.slice(0, end));
  }

  /** @returns the tokens of the rest. */
  end(): Int32Array {
    const rest = this.#held;
    this.#held = '';
    return this.#tokenizer.encode(rest);
  }
}
