// Encoding a text that arrives in pieces: the tokens are those of the whole text, whatever the pieces. Relies on
// Tokenizer.cutPoint for where a text may be cut.

import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A text without a place to cut is held in memory; beyond this many UTF-16 units it is taken for a mistake. */
const maxHeldLength = 2 ** 24;

/** Gives a text that arrives in pieces back in pieces that may be encoded one by one; start a new one for the next. */
export class StreamCutter {
  readonly #cutPoint: Tokenizer['cutPoint'];
  #held = '';

  constructor(cutPoint: Tokenizer['cutPoint']) {
    this.#cutPoint = cutPoint;
  }

  /**
   * @returns text up to the last place to cut, perhaps none.
   * @throws {BurgeonError} ERR_BURGEON_DATA for more than 2^24 characters without a place to cut (letters without any
   *   space, for instance).
   */
  push(text: string): string {
    const all = this.#held + text;
    // What was held back has no place to cut, except perhaps in front of a last character that was incomplete.
    const end = this.#cutPoint(all, Math.max(0, this.#held.length - 2));
    this.#held = all.slice(end);
    if (this.#held.length > maxHeldLength) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `text: expected a word boundary within ${maxHeldLength} characters, found none; if this is really text, use the ` +
          'bytes tokenizer',
      );
    }
    return all.slice(0, end);
  }

  /** @returns the rest. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** Encodes one text; start a new one for the next. */
export class StreamEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #cutter: StreamCutter;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#cutter = new StreamCutter((text, after) => tokenizer.cutPoint(text, after));
  }

  /**
   * @returns tokens that are certain by now, perhaps none.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a character the vocabulary lacks, or as StreamCutter.push.
   */
  push(text: string): Int32Array {
    return this.#tokenizer.encode(this.#cutter.push(text));
  }

  /** @returns the tokens of the rest. */
  end(): Int32Array {
    return this.#tokenizer.encode(this.#cutter.end());
  }
}
