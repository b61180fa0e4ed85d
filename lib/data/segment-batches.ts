// Reads the corpus again and cuts it into batches of segments to encode. What a document is and where it goes was decided
// before (scan.ts, corpus.ts); where a long one can be cut without changing a token, the tokenizer knows.

import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type DocumentFate, readFates, type ScannedFile } from './corpus.ts';
import { readDocuments } from './documents.ts';
import type { EncodeState, StreamState } from './encode-state.ts';
import type { Segment, Split } from './segments.ts';

/** UTF-16 units of a batch: enough that handing it to a thread costs little. */
const batchLength = 1 << 17;
/** Text without a place to cut is held in memory; beyond this many UTF-16 units it is taken for a mistake. */
const maxHeldLength = 1 << 24;

/** Segments, and how far all splits are once their tokens are written; those are not counted yet. */
export interface Batch {
  segments: Segment[];
  after: EncodeState;
}

export interface ReadBatchesOptions {
  files: readonly ScannedFile[];
  delimiter: string | undefined;
  textColumn: string | undefined;
  tokenizer: Tokenizer;
  isValidation: (kept: number) => boolean;
  /** Told how many bytes were read, and of files that need not be read again. */
  onRead: (nBytes: number) => void;
}

/**
 * The batches that follow on a state, in order.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a file changed since the scan or cannot be read, or when text has no place
 *   to cut for 2^24 characters (letters without any space, for instance).
 */
export async function* readBatches(options: ReadBatchesOptions, start: EncodeState): AsyncGenerator<Batch> {
  const batch = new BatchBuilder(options.tokenizer, start);
  let document = 0;
  let kept = 0;
  for (const file of options.files) {
    const { documents, keptDocuments } = file.summary;
    if (document + documents <= start.document) options.onRead(file.nBytes);
    else yield* readFile(file, options, batch, document, start, readFates(file, kept, options.isValidation));
    document += documents;
    kept += keptDocuments;
  }
  if (!batch.isEmpty) yield batch.take(document, 0);
}

async function* readFile(
  { path }: ScannedFile,
  { delimiter, textColumn, onRead }: ReadBatchesOptions,
  batch: BatchBuilder,
  firstDocument: number,
  start: EncodeState,
  fates: AsyncGenerator<DocumentFate>,
): AsyncGenerator<Batch> {
  let document = firstDocument;
  let fate: DocumentFate | undefined;
  let nBytes = 0;
  try {
    for await (const { text, last } of readDocuments(path, { delimiter, textColumn, onRead })) {
      fate ??= (await fates.next()).value as DocumentFate | undefined;
      if (!fate) throw changed(path);
      const size = Buffer.byteLength(text, 'utf8');
      if (fate.split && document >= start.document) {
        const doneBytes = document === start.document ? start.documentBytes : 0;
        batch.add(fate.split, nBytes >= doneBytes ? text : withoutBytes(text, doneBytes - nBytes), last);
      }
      nBytes += size;
      if (last) {
        if (nBytes !== fate.nBytes) throw changed(path);
        document++;
        nBytes = 0;
        fate = undefined;
      }
      if (batch.isFull) yield batch.take(document, fate?.split ? nBytes - batch.heldBytes : 0);
    }
    if (!(await fates.next()).done) throw changed(path);
  } finally {
    await fates.return(undefined);
  }
}

/** A text without its first bytes, which end with a character. */
function withoutBytes(text: string, nBytes: number): string {
  return Buffer.from(text, 'utf8').subarray(nBytes).toString('utf8');
}

function changed(path: string): BurgeonError {
  return new BurgeonError('ERR_BURGEON_DATA', `${path}: changed while it was being prepared; start again`);
}

/**
 * Gathers segments. Documents are separated by the tokenizer's endOfText token, which stands before each, as in llm.c. A
 * vocabulary without it (bytes, chars) has only the text itself: a newline is put after a document that lacks one when
 * another follows, because "...end" and "Begin..." must not become one word. A single document is written unchanged.
 */
class BatchBuilder {
  readonly #tokenizer: Tokenizer;
  readonly #streams: Record<Split, StreamState>;
  #isInDocument: boolean;
  #segments: Segment[] = [];
  #length = 0;
  /** Text of the document under way that may belong to the same token as what follows. */
  #held = '';

  constructor(tokenizer: Tokenizer, { train, validation, documentBytes }: EncodeState) {
    this.#tokenizer = tokenizer;
    this.#streams = { train: { ...train }, validation: { ...validation } };
    this.#isInDocument = documentBytes > 0;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  get isFull(): boolean {
    return this.#length >= batchLength;
  }

  get heldBytes(): number {
    return Buffer.byteLength(this.#held, 'utf8');
  }

  /** Adds text to the document under way, or begins one. */
  add(split: Split, text: string, last: boolean): void {
    const all = this.#held + text;
    // What was held back has no place to cut, except perhaps in front of a last character that was incomplete.
    const end = last ? all.length : this.#tokenizer.cutPoint(all, Math.max(0, this.#held.length - 2));
    this.#held = all.slice(end);
    if (this.#held.length > maxHeldLength) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `text: expected a word boundary within ${maxHeldLength} characters, found none; if this is really text, use the ` +
          'bytes tokenizer',
      );
    }
    if (end > 0) this.#addSegment(split, all.slice(0, end));
    if (last) this.#isInDocument = false;
  }

  /** The batch so far, of which the given number of documents, and of bytes of the next, are the end. */
  take(document: number, documentBytes: number): Batch {
    const { train, validation } = this.#streams;
    const after = { document, documentBytes, train: { ...train }, validation: { ...validation }, isCut: false };
    const batch = { segments: this.#segments, after };
    this.#segments = [];
    this.#length = 0;
    return batch;
  }

  #addSegment(split: Split, text: string): void {
    const stream = this.#streams[split];
    const startsDocument = !this.#isInDocument;
    if (startsDocument) {
      if (this.#tokenizer.endOfText === undefined && !stream.endsWithNewline) this.#push(split, '\n', false);
      stream.documents++;
    }
    this.#isInDocument = true;
    this.#push(split, text, startsDocument);
  }

  #push(split: Split, text: string, startsDocument: boolean): void {
    this.#segments.push({ split, text, startsDocument });
    this.#length += text.length;
    const stream = this.#streams[split];
    stream.bytes += Buffer.byteLength(text, 'utf8');
    stream.endsWithNewline = text.endsWith('\n');
  }
}
