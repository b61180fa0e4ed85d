// Documents in pieces: a .jsonl file holds one per line (or a .json file in an array), a .parquet file one per row, every other
// text file is one document, or several when a delimiter is given. Nothing larger than a block, a line or a row group is held in memory.
// Relies on text-reader.ts and parquet-texts.ts; which documents are kept and where they go is decided in scan.ts and
// split.ts.

import { BurgeonError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { completeLength } from '../tokenizer/surrogates.ts';
import { extensionsOf } from './file-blocks.ts';
import { jsonFileAdvice, parseArray, peekArray } from './json-array.ts';
import { readParquetTexts } from './parquet-texts.ts';
import { type ReadTextOptions, readText } from './text-reader.ts';

/** Field of .jsonl and column of .parquet that holds the text, unless given. */
export const defaultTextColumn = 'text';

/** UTF-16 units of a piece cut from a longer text that was in memory as a whole. */
const pieceLength = 1 << 18;

/**
 * UTF-16 units of a line of .jsonl: more text than any book has. A line is in memory as a whole, and again as what it
 * says; without a limit a small compressed file could take all of it.
 */
const maxLineLength = 2 ** 26;
/** A line so short cannot have levels enough to matter. */
const shortLineLength = 2 ** 20;

/** The next part of a document's text, perhaps empty; `last` ends the document. */
export interface DocumentPiece {
  /** Where the document is: its line of a .jsonl file, its row of a .parquet file, else its place in the file; from 1. */
  number: number;
  text: string;
  last: boolean;
}

export interface ReadDocumentsOptions extends ReadTextOptions {
  /** Splits text files, other than those of JSON, into documents; not part of any of them. */
  delimiter?: string | undefined;
  /** "text" unless given. */
  textColumn?: string | undefined;
  /** Told of every line of .jsonl that is blank, which is no document. */
  onBlankLine?: (() => void) | undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG when one of them is empty. */
export function requireTextOptions(options: Pick<ReadDocumentsOptions, 'delimiter' | 'textColumn'>): void {
  for (const key of ['delimiter', 'textColumn'] as const) {
    if (options[key] !== '') continue;
    throw new BurgeonError('ERR_BURGEON_CONFIG', `${key}: expected at least one character, received an empty string`);
  }
}

/**
 * The documents of a file, in order, piece by piece. Text files may be compressed (.gz, .zst).
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, is damaged or looks binary, or when a line of
 *   .jsonl, an element of .json or a row of .parquet has no string where the text should be.
 */
export function readDocuments(path: string, options: ReadDocumentsOptions = {}): AsyncGenerator<DocumentPiece> {
  switch (extensionsOf(path).join('')) {
    case '.parquet':
      return readRows(path, options);
    case '.jsonl':
    case '.jsonl.gz':
    case '.jsonl.zst':
    case '.ndjson':
    case '.ndjson.gz':
    case '.ndjson.zst':
      return readJsonLines(path, readText(path, options), options);
    case '.json':
    case '.json.gz':
    case '.json.zst':
      return readJson(path, options);
    default:
      return options.delimiter ? readDelimited(path, options.delimiter, options) : readWhole(path, options);
  }
}

async function* readWhole(path: string, options: ReadTextOptions): AsyncGenerator<DocumentPiece> {
  for await (const text of readText(path, options)) yield { number: 1, text, last: false };
  yield { number: 1, text: '', last: true };
}

async function* readDelimited(
  path: string,
  delimiter: string,
  options: ReadTextOptions,
): AsyncGenerator<DocumentPiece> {
  let rest = '';
  let number = 1;
  for await (const piece of readText(path, options)) {
    const documents = (rest + piece).split(delimiter);
    const open = documents.pop()!;
    for (const text of documents) yield { number: number++, text, last: true };
    // The end may be the beginning of a delimiter that the next piece completes.
    const certain = open.slice(0, Math.max(0, open.length - delimiter.length + 1));
    const text = certain.slice(0, completeLength(certain));
    rest = open.slice(text.length);
    yield { number, text, last: false };
  }
  yield { number, text: rest, last: true };
}

async function* readRows(path: string, options: ReadDocumentsOptions): AsyncGenerator<DocumentPiece> {
  const { textColumn: column = defaultTextColumn, onRead, onInvalid } = options;
  let number = 0;
  for await (const text of readParquetTexts(path, { column, onRead, onInvalid })) yield* piecesOf(++number, text);
}

async function* readJson(path: string, options: ReadDocumentsOptions): AsyncGenerator<DocumentPiece> {
  const { isArray, pieces } = await peekArray(readText(path, options));
  if (!isArray) {
    yield* readJsonLines(path, pieces, options, `; ${jsonFileAdvice}`);
    return;
  }
  for (const [i, value] of (await parseArray(path, pieces)).entries()) {
    yield* documentOf(value, { number: i + 1, where: `${path}, element ${i + 1}` }, options);
  }
}

/** @param advice ends the message of a line that cannot be used. */
async function* readJsonLines(
  path: string,
  pieces: AsyncIterable<string>,
  options: ReadDocumentsOptions,
  advice = '',
): AsyncGenerator<DocumentPiece> {
  let lineNumber = 0;
  // Parts of a line longer than a piece, joined once: adding to a string again and again would copy it every time.
  let parts: string[] = [];
  let length = 0;
  for await (const piece of pieces) {
    const lines = piece.split('\n');
    for (const [i, line] of lines.entries()) {
      parts.push(line);
      length += line.length;
      if (length > maxLineLength) throw longLine(path, lineNumber + 1);
      if (i === lines.length - 1) break;
      yield* parseLine(atLine(path, ++lineNumber), parts.join(''), options, advice);
      parts = [];
      length = 0;
    }
  }
  // What follows the last line break is a line only where there is something.
  const rest = parts.join('');
  if (rest !== '') yield* parseLine(atLine(path, ++lineNumber), rest, options, advice);
}

/** Which document of a file, and what messages call it. */
interface DocumentPlace {
  number: number;
  where: string;
}

function atLine(path: string, number: number): DocumentPlace {
  return { number, where: `${path}:${number}` };
}

/** The document of a line, or nothing for a blank one. */
function* parseLine(
  place: DocumentPlace,
  line: string,
  options: ReadDocumentsOptions,
  advice: string,
): Generator<DocumentPiece> {
  if (line.trim() === '') {
    options.onBlankLine?.();
    return;
  }
  let value: unknown;
  try {
    value = line.length < shortLineLength ? JSON.parse(line) : parseJson(line);
  } catch (cause) {
    throw badValue(place.where, options, (cause as Error).message, advice, cause);
  }
  yield* documentOf(value, place, options, advice);
}

/** The document of an object. */
function* documentOf(
  value: unknown,
  { number, where }: DocumentPlace,
  options: ReadDocumentsOptions,
  advice = '',
): Generator<DocumentPiece> {
  const { textColumn = defaultTextColumn, onInvalid } = options;
  const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, textColumn);
  const text = isObject ? (value as Record<string, unknown>)[textColumn] : undefined;
  if (typeof text !== 'string') {
    throw badValue(where, options, `its field "${textColumn}" is ${kindOf(text)}`, advice);
  }
  // JSON can hold half a surrogate pair, which no file can hold as UTF-8.
  let invalid = 0;
  const wellFormed = text.replace(/\p{Surrogate}/gu, () => {
    invalid++;
    return '\uFFFD';
  });
  if (invalid > 0) onInvalid?.(invalid);
  yield* piecesOf(number, wellFormed);
}

/** A whole document, cut where it is long. */
function* piecesOf(number: number, text: string): Generator<DocumentPiece> {
  let rest = text;
  while (rest.length > pieceLength) {
    const end = completeLength(rest.slice(0, pieceLength));
    yield { number, text: rest.slice(0, end), last: false };
    rest = rest.slice(end);
  }
  yield { number, text: rest, last: true };
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  return value === null ? 'null' : `of type ${Array.isArray(value) ? 'array' : typeof value}`;
}

function longLine(path: string, number: number): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}:${number}: expected lines of at most ${maxLineLength} characters, found a longer one; split this document ` +
      'into several, or give the text as .txt, which has no limit',
  );
}

function badValue(
  where: string,
  { textColumn: field = defaultTextColumn }: ReadDocumentsOptions,
  problem: string,
  advice: string,
  cause?: unknown,
): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `${where}: expected a JSON object with a string field "${field}", but ${problem}; correct or remove it, or name the field ` +
      `that holds the text (--text-column)${advice}`,
    { cause },
  );
}
