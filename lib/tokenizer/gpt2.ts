// GPT-2's byte pair encoding: 50,256 byte strings and <|endoftext|>. The rank table (which byte strings are tokens, in
// the order they were learned) comes from the npm package gpt-tokenizer; splitting and merging are done here, because
// its encoder takes quadratic time on long pieces (a minute for 400,000 letters without a space) and treats U+FEFF and
// U+0085 differently from the original. Ids equal those of transformers' GPT-2 tokenizer, whose files huggingface.ts
// writes.

import ranks from 'gpt-tokenizer/bpeRanks/r50k_base';
import { BytePairMerges } from './byte-pair-merges.ts';
import { descriptionFile, descriptionFileName } from './description.ts';
import { gpt2TokenizerFiles, gpt2Vocabulary } from './huggingface.ts';
import { isHighSurrogate, isLowSurrogate } from './surrogates.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

const endOfText = 50256;
const vocabSize = 50257;

// White_Space instead of \s: JavaScript's \s has U+FEFF and lacks U+0085, that of Hugging Face's tokenizers vice versa.
const space = '\\p{White_Space}';

/**
 * GPT-2's pre-tokenizer (openai/gpt-2, encoder.py): text is cut into these pieces and no token spans two of them. Every
 * character belongs to a piece.
 */
const piecePattern = [
  "'s|'t|'re|'ve|'m|'ll|'d",
  ' ?\\p{L}+',
  ' ?\\p{N}+',
  ` ?[^${space}\\p{L}\\p{N}]+`,
  `${space}+(?!\\P{White_Space})`,
  `${space}+`,
].join('|');

/** Pieces that are not tokens themselves are remembered up to this number, then forgotten all at once. */
const maxCachedPieces = 100_000;
/** Longer pieces are not remembered: they hardly ever come back. */
const maxCachedPieceLength = 64;

interface Gpt2Tables {
  /** Bytes of tokens 0 to 50256. */
  bytes: Uint8Array[];
  merges: BytePairMerges;
  /** Tokens whose bytes are UTF-8 text. */
  tokenOfText: Map<string, number>;
}

let tables: Gpt2Tables | undefined;

/** Built once, on first use: takes about 0.1 s. */
function gpt2Tables(): Gpt2Tables {
  if (!tables) {
    const utf8 = new TextEncoder();
    const bytes = ranks.map((token) => (typeof token === 'string' ? utf8.encode(token) : Uint8Array.from(token)));
    const tokenOfText = new Map<string, number>();
    for (const [token, text] of ranks.entries()) if (typeof text === 'string') tokenOfText.set(text, token);
    tables = { merges: new BytePairMerges(bytes), tokenOfText, bytes: [...bytes, utf8.encode('<|endoftext|>')] };
  }
  return tables;
}

/** The tokenizer of GPT-2. */
export function createGpt2Tokenizer(): Tokenizer {
  const { bytes, merges, tokenOfText } = gpt2Tables();
  const tokenBytes = new TokenBytes('gpt2', bytes);
  const utf8 = new TextEncoder();
  const pieces = new RegExp(piecePattern, 'gu');
  let cache = new Map<string, number[]>();

  function encodePiece(piece: string): number[] {
    const known = cache.get(piece);
    if (known) return known;
    const tokens = merges.encode(utf8.encode(piece));
    if (piece.length <= maxCachedPieceLength) {
      if (cache.size === maxCachedPieces) cache = new Map();
      cache.set(piece, tokens);
    }
    return tokens;
  }

  return {
    name: 'gpt2',
    vocabSize,
    endOfText,
    encode(text) {
      const tokens: number[] = [];
      pieces.lastIndex = 0;
      for (let match = pieces.exec(text); match; match = pieces.exec(text)) {
        const token = tokenOfText.get(match[0]);
        if (token !== undefined) tokens.push(token);
        else for (const part of encodePiece(match[0])) tokens.push(part);
      }
      return new Int32Array(tokens);
    },
    decode: (tokens) => tokenBytes.decode(tokens),
    decoder: () => tokenBytes.decoder(),
    byteLength(tokens) {
      let length = 0;
      for (let i = 0; i < tokens.length; i++) if (tokens[i] !== endOfText) length += tokenBytes.of(tokens[i]!).length;
      return length;
    },
    cutPoint,
    files: gpt2Files,
    toJSON: () => ({ name: 'gpt2' }),
  };
}

let files: Readonly<Record<string, string>> | undefined;

function gpt2Files(): Readonly<Record<string, string>> {
  if (!files) {
    const { bytes, merges } = gpt2Tables();
    files = {
      [descriptionFileName]: descriptionFile({ name: 'gpt2' }),
      ...gpt2TokenizerFiles(bytes.slice(0, endOfText), merges.merges),
    };
  }
  return files;
}

/** True when token -> id entries, as in vocab.json, are exactly GPT-2's. */
export function isGpt2Vocabulary(entries: Record<string, unknown>): boolean {
  const vocabulary = gpt2Vocabulary(gpt2Tables().bytes.slice(0, endOfText));
  return Object.keys(entries).length === vocabulary.size && [...vocabulary].every(([text, id]) => entries[text] === id);
}

/**
 * The last safe place to cut. A place is safe when (1) in any text the pieces meet there, and (2) what comes after it
 * does not change the pieces before it; the pieces after it never depend on what is before, as the pattern looks back
 * nowhere. Both hold between a character that is not white space and one that is, and between a letter (digit) and
 * anything that is not a letter (digit):
 * (1) inside a piece, a letter or digit is followed only by its own kind, and only white space comes before white
 * space;
 * (2) a piece that ends at the cut ended because of the class of the next character, which the end of the text replaces
 *     with the same effect; the only look-ahead follows white space, and the cut never does.
 * Places after punctuation are not safe: an apostrophe may start a contraction ('s) or end a run of punctuation.
 */
function cutPoint(text: string, after = 0): number {
  for (let at = text.length - 1; at > after; at--) {
    const unit = text.charCodeAt(at);
    // Not inside a pair, and not before half of one whose other half is still to come.
    if (isLowSurrogate(unit) && isHighSurrogate(text.charCodeAt(at - 1))) continue;
    if (isHighSurrogate(unit) && at === text.length - 1) continue;
    const left = classOf(codePointBefore(text, at));
    const right = classOf(text.codePointAt(at)!);
    if (left !== right && left !== 'space' && (left !== 'other' || right === 'space')) return at;
  }
  return 0;
}

const isLetter = /\p{L}/u;
const isDigit = /\p{N}/u;
const isSpace = /\p{White_Space}/u;

function classOf(codePoint: number): 'letter' | 'digit' | 'space' | 'other' {
  const character = String.fromCodePoint(codePoint);
  if (isLetter.test(character)) return 'letter';
  if (isDigit.test(character)) return 'digit';
  return isSpace.test(character) ? 'space' : 'other';
}

function codePointBefore(text: string, at: number): number {
  const isPair = at >= 2 && isLowSurrogate(text.charCodeAt(at - 1)) && isHighSurrogate(text.charCodeAt(at - 2));
  return text.codePointAt(isPair ? at - 2 : at - 1)!;
}
