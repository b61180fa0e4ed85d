// Documents in pieces: a .jsonl file holds one per line (field "text"), every other text file is one document, or
// several when a delimiter is given. Nothing larger than a block or a line is held in memory. Relies on text-reader.ts;
// which documents are kept and where they go is decided in scan.ts and split.ts.

import { extname } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { completeLength } from '../tokenizer/surrogates.ts';
import { type ReadTextOptions, readText } from './text-reader.ts';

/** The next part of a document's text, perhaps empty; `last` ends the document. */
export interface DocumentPiece {
  text: string;
  last: boolean;
}

export interface ReadDocumentsOptions extends ReadTextOptions {
  /** Splits files that are not .jsonl into documents; not part of any of them. */
  delimiter?: string | undefined;
}

/**
 * The documents of a file, in order, piece by piece.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, looks binary, or a line of .jsonl is not an
 *   object with a string "text".
 */
export function readDocuments(path: string, options: ReadDocumentsOptions = {}): AsyncGenerator<DocumentPiece> {
  if (extname(path).toLowerCase() === '.jsonl') return readJsonLines(path, options);
  return options.delimiter ? readDelimited(path, options.delimiter, options) : readWhole(path, options);
}

async function* readWhole(path: string, options: ReadTextOptions): AsyncGenerator<DocumentPiece> {
  for await (const text of readText(path, options)) yield { text, last: false };
  yield { text: '', last: true };
}

async function* readDelimited(
  path: string,
  delimiter: string,
  options: ReadTextOptions,
): AsyncGenerator<DocumentPiece> {
  let rest = '';
  for await (const piece of readText(path, options)) {
    const documents = (rest + piece).split(delimiter);
    const open = documents.pop()!;
    for (const text of documents) yield { text, last: true };
    // The end may be the beginning of a delimiter that the next piece completes.
    const certain = open.slice(0, Math.max(0, open.length - delimiter.length + 1));
    const text = certain.slice(0, completeLength(certain));
    rest = open.slice(text.length);
    yield { text, last: false };
  }
  yield { text: rest, last: true };
}

async function* readJsonLines(path: string, options: ReadTextOptions): AsyncGenerator<DocumentPiece> {
  let lineNumber = 0;
  // Parts of a line longer than a piece, joined once: adding to a string again and again would copy it every time.
  let parts: string[] = [];
  for await (const piece of readText(path, options)) {
    const lines = piece.split('\n');
    for (const [i, line] of lines.entries()) {
      parts.push(line);
      if (i === lines.length - 1) break;
      yield* parseLine(path, ++lineNumber, parts.join(''), options);
      parts = [];
    }
  }
  yield* parseLine(path, ++lineNumber, parts.join(''), options);
}

/** The document of a line, or nothing for a blank one. */
function* parseLine(path: string, number: number, line: string, options: ReadTextOptions): Generator<DocumentPiece> {
  if (line.trim() === '') return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw badLine(path, number, (cause as Error).message, cause);
  }
  const text = (value as { text?: unknown } | null)?.text;
  if (typeof text !== 'string') throw badLine(path, number, `its field "text" is ${kindOf(text)}`);
  // JSON can hold half a surrogate pair, which no file can hold as UTF-8.
  let invalid = 0;
  const wellFormed = text.replace(/\p{Surrogate}/gu, () => {
    invalid++;
    return '\uFFFD';
  });
  if (invalid > 0) options.onInvalid?.(invalid);
  yield { text: wellFormed, last: true };
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  return value === null ? 'null' : `of type ${Array.isArray(value) ? 'array' : typeof value}`;
}

function badLine(path: string, number: number, problem: string, cause?: unknown): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}:${number}: expected a JSON object with a string field "text", but ${problem}; correct or remove this line`,
    { cause },
  );
}
