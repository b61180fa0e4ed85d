// The chars tokenizer: token = Unicode code point of a vocabulary that is collected from the training text (the sorted
// distinct code points), as in char-rnn and nanoGPT. Text with any other character cannot be encoded. There is no token
// for the end of a text.

import { BurgeonError } from '../errors.ts';
import { descriptionFile, descriptionFileName } from './description.ts';
import { charsTokenizerFiles } from './huggingface.ts';
import { completeLength } from './surrogates.ts';
import { unknownToken } from './token-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * A tokenizer with the given characters; the caller has checked that they are distinct single code points.
 * @param characters character of token i at index i.
 */
export function createCharsTokenizer(characters: readonly string[]): Tokenizer {
  const tokenOf = new Map(characters.map((character, token) => [character.codePointAt(0)!, token]));
  const utf8Bytes = characters.map((character) => Buffer.byteLength(character, 'utf8'));
  const description = { name: 'chars' as const, characters: [...characters] };
  let files: Readonly<Record<string, string>> | undefined;

  function characterOf(token: number): string {
    const character = characters[token];
    if (character === undefined) throw unknownToken('chars', token, characters.length);
    return character;
  }

  return {
    name: 'chars',
    vocabSize: characters.length,
    endOfText: undefined,
    encode(text) {
      const tokens = new Int32Array(text.length);
      let count = 0;
      for (let i = 0; i < text.length; ) {
        const codePoint = text.codePointAt(i)!;
        const token = tokenOf.get(wellFormed(codePoint));
        if (token === undefined) throw unknownCharacter(wellFormed(codePoint), characters.length);
        tokens[count++] = token;
        i += codePoint > 0xffff ? 2 : 1;
      }
      return tokens.slice(0, count);
    },
    decode(tokens) {
      let text = '';
      for (let i = 0; i < tokens.length; i++) text += characterOf(tokens[i]!);
      return text;
    },
    decoder: () => ({ push: characterOf, end: () => '' }),
    byteLength(tokens) {
      let bytes = 0;
      for (let i = 0; i < tokens.length; i++) {
        const length = utf8Bytes[tokens[i]!];
        if (length === undefined) throw unknownToken('chars', tokens[i]!, characters.length);
        bytes += length;
      }
      return bytes;
    },
    cutPoint: (text) => completeLength(text),
    files() {
      files ??= { [descriptionFileName]: descriptionFile(description), ...charsTokenizerFiles(characters) };
      return files;
    },
    toJSON: () => description,
  };
}

/** Collects the characters of a text that arrives in pieces. */
export interface CharacterCollector {
  /** Adds the characters of a piece; a surrogate pair may be split between two pieces. */
  add(text: string): CharacterCollector;
  /** Adds what another collector has collected. */
  merge(other: CharacterCollector): CharacterCollector;
  /** Collected code points, in order of their number. */
  codePoints(): number[];
  /**
   * The tokenizer of the characters so far.
   * @throws {BurgeonError} ERR_BURGEON_DATA when there are none.
   */
  tokenizer(): Tokenizer;
}

/** Starts a chars vocabulary: `charsFromText(text).tokenizer()`, or `add` pieces of a text too large for memory. */
export function charsFromText(text = ''): CharacterCollector {
  const seen = new Set<number>();
  // A high surrogate at the end of the piece before.
  let held = '';

  const collector: CharacterCollector = {
    add(piece) {
      const all = held + piece;
      const end = completeLength(all);
      held = all.slice(end);
      for (let i = 0; i < end; ) {
        const codePoint = all.codePointAt(i)!;
        seen.add(wellFormed(codePoint));
        i += codePoint > 0xffff ? 2 : 1;
      }
      return collector;
    },
    merge(other) {
      for (const codePoint of other.codePoints()) seen.add(codePoint);
      return collector;
    },
    codePoints() {
      const all = held ? new Set([...seen, replacementCharacter]) : seen;
      return [...all].sort((a, b) => a - b);
    },
    tokenizer() {
      const characters = collector.codePoints().map((codePoint) => String.fromCodePoint(codePoint));
      if (characters.length === 0) {
        throw new BurgeonError('ERR_BURGEON_DATA', 'chars vocabulary: expected text, received none; add text first');
      }
      return createCharsTokenizer(characters);
    },
  };
  return collector.add(text);
}

const replacementCharacter = 0xfffd;

/** A surrogate without partner is no character and cannot be written as UTF-8; it counts as U+FFFD. */
function wellFormed(codePoint: number): number {
  return codePoint >= 0xd800 && codePoint <= 0xdfff ? replacementCharacter : codePoint;
}

function unknownCharacter(codePoint: number, vocabSize: number): BurgeonError {
  const hex = codePoint.toString(16).toUpperCase().padStart(4, '0');
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `character ${JSON.stringify(String.fromCodePoint(codePoint))} (U+${hex}): expected one of the ${vocabSize} ` +
      'characters of the vocabulary; remove it from the text, or prepare the data again with text that has it or ' +
      'with the bytes or gpt2 tokenizer, which encode any text',
  );
}
