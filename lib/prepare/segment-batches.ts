// Reads the corpus again and cuts it into batches of segments to encode. What a document is and where it goes was decided
// before (scan.ts, corpus.ts); where a long one can be cut without changing a token, the tokenizer knows.

import { BurgeonError } from '../errors.ts';
import { StreamCutter } from '../tokenizer/stream-encoder.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type DocumentFate, readFates, type ScannedFile } from './corpus.ts';
import { readDocuments } from './documents.ts';
import type { EncodeState, StreamState } from './encode-state.ts';
import type { Segment, Split } from './segments.ts';

/** UTF-16 units of a batch: enough that handing it to a thread costs little. */
const batchLength = 1 << 16;

/** Segments, and how far all splits are once their tokens are written; those are not counted yet. */
export interface Batch {
  segments: Segment[];
  /** Of each segment: the number of its file, and its split. */
  origins: { file: number; split: Split }[];
  after: Omit<EncodeState, 'fileTokens'>;
}

export interface ReadBatchesOptions {
  files: readonly ScannedFile[];
  delimiter: string | undefined;
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
  for (const [number, file] of options.files.entries()) {
    batch.file = number;
    const { documents, keptDocuments } = file.summary;
    if (document + documents <= start.document) options.onRead(file.nBytes);
    else yield* readFile(file, options, batch, document, start, readFates(file, kept, options.isValidation));
    document += documents;
    kept += keptDocuments;
  }
  if (!batch.isEmpty) yield batch.take(document);
}

async function* readFile(
  { path, textColumn }: ScannedFile,
  { delimiter, onRead }: ReadBatchesOptions,
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
      if (batch.isFull) yield batch.take(document);
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
  readonly #cutter: StreamCutter;
  /** The number of the file that is read. */
  file = 0;
  #segments: Segment[] = [];
  #origins: Batch['origins'] = [];
  #length = 0;
  /** Bytes of the document under way that are in segments. */
  #documentBytes: number;

  constructor(tokenizer: Tokenizer, { train, validation, documentBytes }: EncodeState) {
    this.#tokenizer = tokenizer;
    this.#streams = { train: { ...train }, validation: { ...validation } };
    this.#cutter = new StreamCutter((text, after) => tokenizer.cutPoint(text, after));
    this.#documentBytes = documentBytes;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  get isFull(): boolean {
    return this.#length >= batchLength;
  }

  /** Adds text to the document under way, or begins one. */
  add(split: Split, text: string, last: boolean): void {
    const certain = last ? this.#cutter.end() + text : this.#cutter.push(text);
    if (certain !== '') this.#addSegment(split, certain);
    if (last) this.#documentBytes = 0;
  }

  /** The batch so far, after which the given number of documents are done with. */
  take(document: number): Batch {
    const { train, validation } = this.#streams;
    const streams = { train: { ...train }, validation: { ...validation } };
    const after = { document, documentBytes: this.#documentBytes, ...streams, isCut: false };
    const batch = { segments: this.#segments, origins: this.#origins, after };
    this.#segments = [];
    this.#origins = [];
    this.#length = 0;
    return batch;
  }

  #addSegment(split: Split, text: string): void {
    const stream = this.#streams[split];
    const startsDocument = this.#documentBytes === 0;
    if (startsDocument) {
      if (this.#tokenizer.endOfText === undefined && !stream.endsWithNewline) this.#push(split, '\n', false);
      stream.documents++;
    }
    this.#documentBytes += this.#push(split, text, startsDocument);
  }

  /** @returns the UTF-8 bytes of the text. */
  #push(split: Split, text: string, startsDocument: boolean): number {
    this.#segments.push({ split, text, startsDocument });
    this.#origins.push({ file: this.file, split });
    this.#length += text.length;
    const stream = this.#streams[split];
    const nBytes = Buffer.byteLength(text, 'utf8');
    stream.bytes += nBytes;
    stream.endsWithNewline = text.endsWith('\n');
    return nBytes;
  }
}
