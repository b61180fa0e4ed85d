// The fingerprints of a document: it is read as words, its runs of 8 words are hashed, and winnowing (Schleimer, Wilkerson,
// Aiken, "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003) keeps the smallest of every 8 neighbouring
// hashes: about 22 % of them, and always the same ones for the same passage, so any shared run of 15 words is noticed
// wherever it stands. Pure.

import { FingerprintMap } from './fingerprint-map.ts';

/** Words per hashed run: long enough that unrelated texts share hardly any, short enough to survive small edits. */
const shingleWords = 8;
/** Neighbouring runs of which one is kept. */
const windowShingles = 8;

/** Words that stand together: UTF-16 units of the document, the end exclusive. */
export interface Passage {
  start: number;
  end: number;
}

/**
 * Told of a fingerprint that is kept, of the run of words it is of, and of the last run read: where a document begins to differ from
 * one whose fingerprints are known, the first fingerprint that is not known comes while that run holds the first word that differs.
 */
export type OnFingerprint = (fingerprint: number, run: Passage, last: Passage) => void;

/** Fingerprints the text of one document. */
export class Fingerprinter {
  readonly #words = new WordHasher();
  readonly #winnowing: Winnowing;
  readonly #sink: WordSink = (first, second, start, end) => this.#winnowing.addWord(first, second, start, end);

  /** @param onFingerprint is told of most fingerprints once, of some more often. */
  constructor(onFingerprint?: OnFingerprint) {
    this.#winnowing = new Winnowing(onFingerprint);
  }

  /** Adds the next piece of text; a word may be split between pieces. */
  add(text: string): void {
    this.#words.add(text, this.#sink);
  }

  /** Ends the document. @returns its distinct fingerprints, as keys; all values are 0. */
  end(): FingerprintMap {
    this.#words.end(this.#sink);
    return this.#winnowing.end();
  }
}

type WordSink = (first: number, second: number, start: number, end: number) => void;

/** Two 32-bit hashes per word. Words are separated by white space; an ideograph is a word by itself. */
class WordHasher {
  #first = firstSeed;
  #second = secondSeed;
  #length = 0;
  /** Units of the document before the text at hand, and before the end of the word at hand. */
  #before = 0;
  #at = 0;

  add(text: string, sink: WordSink): void {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      this.#at = this.#before + i;
      if (isSpace(unit)) {
        this.end(sink);
        continue;
      }
      const isIdeograph = unit >= 0x3400 && unit <= 0x9fff;
      if (isIdeograph) this.end(sink);
      this.#first = Math.imul(this.#first ^ unit, firstFactor);
      this.#second = mix(this.#second + unit);
      this.#length++;
      this.#at++;
      if (isIdeograph) this.end(sink);
    }
    this.#before += text.length;
  }

  /** Ends the word, if there is one. */
  end(sink: WordSink): void {
    if (this.#length > 0) sink(this.#first, this.#second, this.#at - this.#length, this.#at);
    this.#first = firstSeed;
    this.#second = secondSeed;
    this.#length = 0;
  }
}

/** Hashes of runs of words, and of those the ones that winnowing keeps. */
class Winnowing {
  readonly #kept = new FingerprintMap();
  /** Hashes of the last words, in a ring; `#words` of them have come. */
  readonly #firsts = new Int32Array(shingleWords);
  readonly #seconds = new Int32Array(shingleWords);
  #words = 0;
  /** Fingerprints of the last runs, likewise. */
  readonly #shingles = new Float64Array(windowShingles);
  #shingleCount = 0;
  #lastKept = 0;
  /** Where the last words begin, and where the last runs begin and end, likewise. */
  readonly #wordStarts = new Float64Array(shingleWords);
  readonly #starts = new Float64Array(windowShingles);
  readonly #ends = new Float64Array(windowShingles);
  #end = 0;
  readonly #onFingerprint: OnFingerprint | undefined;

  constructor(onFingerprint: OnFingerprint | undefined) {
    this.#onFingerprint = onFingerprint;
  }

  addWord(first: number, second: number, start: number, end: number): void {
    this.#firsts[this.#words % shingleWords] = first;
    this.#seconds[this.#words % shingleWords] = second;
    this.#wordStarts[this.#words % shingleWords] = start;
    this.#end = end;
    this.#words++;
    if (this.#words >= shingleWords) this.#addShingle(this.#fingerprint(this.#words - shingleWords, shingleWords));
  }

  /** The distinct fingerprints kept. A text too short for a whole run or window has one, of all that there is. */
  end(): FingerprintMap {
    if (this.#words > 0 && this.#words < shingleWords) this.#addShingle(this.#fingerprint(0, this.#words));
    if (this.#shingleCount > 0 && this.#shingleCount < windowShingles) this.#keepSmallest(this.#shingleCount);
    return this.#kept;
  }

  /** Of the last run. */
  get #lastStart(): number {
    return this.#wordStarts[Math.max(0, this.#words - shingleWords) % shingleWords]!;
  }

  #addShingle(fingerprint: number): void {
    const slot = this.#shingleCount % windowShingles;
    this.#shingles[slot] = fingerprint;
    this.#starts[slot] = this.#lastStart;
    this.#ends[slot] = this.#end;
    this.#shingleCount++;
    if (this.#shingleCount >= windowShingles) this.#keepSmallest(windowShingles);
  }

  /** Keeps the smallest of the first `count` fingerprints of the ring. */
  #keepSmallest(count: number): void {
    let slot = 0;
    for (let i = 1; i < count; i++) if (this.#shingles[i]! < this.#shingles[slot]!) slot = i;
    const smallest = this.#shingles[slot]!;
    // Neighbouring windows mostly agree; this spares the set most of the work.
    if (smallest === this.#lastKept) return;
    this.#lastKept = smallest;
    this.#kept.add(smallest, 0);
    const run = { start: this.#starts[slot]!, end: this.#ends[slot]! };
    this.#onFingerprint?.(smallest, run, { start: this.#lastStart, end: this.#end });
  }

  /** A number in [1, 2^52] from `count` words, the first of them number `start`. */
  #fingerprint(start: number, count: number): number {
    let first = firstSeed;
    let second = secondSeed;
    for (let word = start; word < start + count; word++) {
      first = Math.imul(first ^ this.#firsts[word % shingleWords]!, firstFactor);
      second = mix(second + this.#seconds[word % shingleWords]!);
    }
    // The last round spreads the entropy of both hashes over both words of the result.
    return (mix(first ^ second) >>> 12) * 2 ** 32 + (mix(second + first) >>> 0) + 1;
  }
}

// Seeds and multipliers: FNV-1a's (first) and the 32-bit finalizer of MurmurHash3 (second), both in the public domain.
const firstSeed = 0x811c9dc5 | 0;
const firstFactor = 0x01000193;
const secondSeed = 0x9747b28c | 0;

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b | 0);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35 | 0);
  return h ^ (h >>> 16);
}

function isSpace(unit: number): boolean {
  return unit <= 0x20 || unit === 0x85 || unit === 0xa0 || (unit >= 0x2000 && unit <= 0x200b) || isRareSpace(unit);
}

function isRareSpace(unit: number): boolean {
  return unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f || unit === 0x3000 || unit === 0xfeff;
}
