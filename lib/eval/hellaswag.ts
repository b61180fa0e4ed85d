// Questions from HellaSwag-style JSON lines: `endings`, `label`, and a context in one of two forms.
//
// - `ctx_a` and `ctx_b`, with or without `activity_label`: the files of HellaSwag. The text is cleaned as
//   lm-evaluation-harness does it (lm_eval/tasks/hellaswag/utils.py).
// - `ctx` alone: text and endings are taken as they are.
//
// In both, one space stands between context and ending; it is scored, but not counted as a byte of the ending.

import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { encodeEndings } from './encode-endings.ts';
import type { Question } from './multiple-choice.ts';
import { readWholeFile } from './read-file.ts';

/**
 * @param options.limit most questions to read, from the first.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read or has no questions; naming the line, when it is not
 *   UTF-8 or JSON, a field is missing or of another type, or the tokenizer cannot encode it.
 */
export async function readHellaSwag(
  path: string,
  tokenizer: Tokenizer,
  options: { limit?: number | undefined } = {},
): Promise<Question[]> {
  const questions: Question[] = [];
  let number = 0;
  for (const line of linesOf(await readWholeFile(path))) {
    if (questions.length === options.limit) break;
    const place = `${path}:${++number}`;
    try {
      const text = decode(line);
      if (text.trim() !== '') questions.push(encodeRecord(parseRecord(text), tokenizer, place));
    } catch (cause) {
      if (!(cause instanceof BurgeonError)) throw cause;
      throw new BurgeonError(cause.code, `${place}: ${cause.message}`, { cause });
    }
  }
  if (questions.length > 0) return questions;
  throw new BurgeonError('ERR_BURGEON_DATA', `${path}: expected questions, one JSON object per line, found none`);
}

/** A question as text. */
export interface TextQuestion {
  context: string;
  endings: string[];
  label: number;
}

/**
 * @param line JSON.
 * @throws {BurgeonError} ERR_BURGEON_DATA naming the field.
 */
export function parseRecord(line: string): TextQuestion {
  const record = parseObject(line);
  const { ctx, ctx_a: first, ctx_b: second, activity_label: activity = '' } = record;
  const endings = parseEndings(record.endings);
  const label = parseLabel(record.label, endings.length);
  if (typeof first === 'string' && typeof second === 'string' && typeof activity === 'string') {
    const context = `${activity === '' ? '' : `${activity}: `}${first} ${capitalize(second)}`;
    return { context: clean(context), endings: endings.map(clean), label };
  }
  if (typeof ctx === 'string') return { context: ctx, endings, label };
  throw wrong('ctx', 'a string, or strings ctx_a and ctx_b', ctx);
}

function encodeRecord({ context, endings, label }: TextQuestion, tokenizer: Tokenizer, place: string): Question {
  const encoded = encodeEndings(
    tokenizer,
    context,
    endings.map((ending) => ` ${ending}`),
  );
  return {
    place,
    context: encoded.context,
    endings: encoded.endings.map((tokens, i) => ({ tokens, bytes: Buffer.byteLength(endings[i]!) })),
    label,
  };
}

/** Removes the marks that the pages behind HellaSwag left in its text. */
function clean(text: string): string {
  return text
    .replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '')
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ');
}

/** First character in upper case, all others in lower case. */
function capitalize(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let begin = 0; begin < bytes.length; ) {
    const end = bytes.indexOf('\n', begin);
    yield bytes.subarray(begin, end < 0 ? bytes.length : end);
    begin = end < 0 ? bytes.length : end + 1;
  }
}

function decode(line: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(line);
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', 'expected UTF-8 text, found other bytes', { cause });
  }
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `expected a JSON object, but ${(cause as Error).message}`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new BurgeonError('ERR_BURGEON_DATA', `expected a JSON object, found ${brief(value)}`);
}

function parseEndings(value: unknown): string[] {
  const isList = Array.isArray(value) && value.length >= 2;
  if (isList && value.every((ending) => typeof ending === 'string' && ending !== '')) return value;
  throw wrong('endings', 'a list of two or more texts, none empty', value);
}

/** A number, or its digits. */
function parseLabel(value: unknown, endings: number): number {
  const label = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (Number.isInteger(label) && (label as number) >= 0 && (label as number) < endings) return label as number;
  throw wrong('label', `the index of an ending, 0 to ${endings - 1}`, value);
}

function wrong(field: string, expected: string, value: unknown): BurgeonError {
  return new BurgeonError('ERR_BURGEON_DATA', `${field}: expected ${expected}, found ${brief(value)}`);
}

/** What a field holds, cut to some words. */
function brief(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
