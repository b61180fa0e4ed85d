// Finds documents that mostly repeat text seen before: copies, files contained in a bundle, concatenations. Documents are
// compared by their fingerprints (fingerprints.ts).
//
// Documents are judged in order and before anyone decides which split they go to: of two that overlap the later one is
// dropped, whichever split either belongs to. That is what makes held-out text unseen, for a validation document must
// repeat neither earlier nor later training text. Up to `threshold` of a kept document may still be repetition.

import { BurgeonError } from '../../errors.ts';
import { FingerprintMap } from './fingerprint-map.ts';
import { Fingerprinter, type Passage } from './fingerprints.ts';

/** Which document is meant. */
export interface DocumentPlace {
  /** Path of its file, as it was found. */
  file: string;
  /** Line of a .jsonl file, row of a .parquet file, otherwise which document of the file it is. Counts from 1. */
  number: number;
}

/** A place and the first words there. */
export interface DocumentExcerpt extends DocumentPlace {
  begins: string;
}

/** A document that was dropped, and why. */
export interface NearDuplicate extends DocumentExcerpt {
  /** Share of its distinct fingerprints that kept documents before it have: above the threshold, at most 1. */
  repeated: number;
  /** The first words that kept documents have, and the first that none of them has; undefined where all of it is repeated. */
  repeats: string;
  differs: string | undefined;
  /** The kept document that has most of them, the earliest of several, and the share that it has. */
  like: DocumentExcerpt & { share: number };
}

/** One document on its way through the filter. */
export interface FilteredDocument {
  /** Adds the next piece of text; a word may be split between pieces. */
  add(text: string): void;
  /** Ends the document. @returns what it repeats when it is dropped; otherwise later ones are compared with it too. */
  end(): NearDuplicate | undefined;
}

/** UTF-16 units that are read for the first words, and shown of them. */
const excerptRead = 400;
const excerptLength = 60;
/** UTF-16 units in which the 15 words lie that decide on a fingerprint, unless they are long. */
const passageRead = 1000;

/** Remembers the fingerprints of all documents kept so far, and how each begins. */
export class NearDuplicateFilter {
  /** To the index in `#kept` of the document that had it first. */
  readonly #seen = new FingerprintMap();
  readonly #kept: DocumentExcerpt[] = [];
  readonly #threshold: number;

  /**
   * @param threshold a document is a near-duplicate when more than this share of its distinct fingerprints was seen.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG unless it is in [0, 1].
   */
  constructor(threshold = 0.3) {
    if (!(threshold >= 0 && threshold <= 1)) {
      throw new BurgeonError('ERR_BURGEON_CONFIG', `near-duplicate threshold: expected 0 to 1, received ${threshold}`);
    }
    this.#threshold = threshold;
  }

  /** Starts a document; end it before starting the next, or leave it. */
  document(place: DocumentPlace): FilteredDocument {
    const passages = new Passages();
    const first: { seen?: string; unseen?: string } = {};
    const fingerprinter = new Fingerprinter((fingerprint, run, last) => {
      if (this.#seen.get(fingerprint) !== undefined) first.seen ??= firstWords(passages.read(run));
      else first.unseen ??= firstWords(passages.read(last));
    });
    let opening = '';
    return {
      add: (text) => {
        // Leading space is not part of the beginning, and a document may have pages of it.
        if (opening.length < excerptRead) opening = (opening + text.slice(0, excerptRead)).trimStart();
        passages.add(text);
        fingerprinter.add(text);
      },
      end: () => {
        const fingerprints = fingerprinter.end();
        const document = { ...place, begins: firstWords(opening) };
        return this.#judge({ ...document, repeats: first.seen ?? '', differs: first.unseen }, fingerprints);
      },
    };
  }

  #judge(
    { repeats, differs, ...document }: DocumentExcerpt & Pick<NearDuplicate, 'repeats' | 'differs'>,
    fingerprints: FingerprintMap,
  ): NearDuplicate | undefined {
    let seen = 0;
    const shared = new Map<number, number>();
    fingerprints.forEach((fingerprint) => {
      const owner = this.#seen.get(fingerprint);
      if (owner === undefined) return;
      seen++;
      shared.set(owner, (shared.get(owner) ?? 0) + 1);
    });
    if (seen > this.#threshold * fingerprints.size) {
      const [owner, count] = [...shared].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
      const like = { ...this.#kept[owner]!, share: count / fingerprints.size };
      return { ...document, repeated: seen / fingerprints.size, repeats, differs, like };
    }
    const index = this.#kept.push(document) - 1;
    fingerprints.forEach((fingerprint) => {
      this.#seen.add(fingerprint, index);
    });
    return undefined;
  }
}

/** The end of a document's text, as far as it was read: passages that end there can be read again. */
class Passages {
  #text = '';
  /** Units of the document before it. */
  #before = 0;

  add(text: string): void {
    const dropped = Math.max(0, this.#text.length - passageRead);
    this.#text = this.#text.slice(dropped) + text;
    this.#before += dropped;
  }

  read({ start, end }: Passage): string {
    const from = Math.max(0, start - this.#before);
    return this.#text.slice(from, Math.min(end - this.#before, from + excerptRead));
  }
}

/** One line of at most 60 characters, ended by "…" where more follows. */
function firstWords(opening: string): string {
  const line = opening.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  // By code points, so that no character is cut. The copy lets go of the text that a slice of a string holds on to.
  const characters = [...line];
  const shown = characters.slice(0, excerptLength - 1).join('');
  return Buffer.from(characters.length > excerptLength ? `${shown}…` : line).toString();
}
