// Building blocks of the configuration schemas: values whose error says in plain words what was expected and what came.
// Only checks of single values; `validate.ts` runs a schema and words the report. Each also says what it accepts as JSON Schema,
// of which `json-schema.ts` makes what editors and docs/configuration.md show.

import * as z from 'zod';
import { quote as show } from '../quote.ts';
import { nearestHint } from './nearest.ts';

/** How a value looks in an error message. */
export { quote as show } from '../quote.ts';

/** JSON Schema, with what it cannot say. */
export interface JsonShape extends z.core.JSONSchema.BaseSchema {
  /** Completes the sentence "expected ...". */
  'x-expected'?: string;
  /** A name for its TypeScript type. */
  'x-type'?: string;
  /** Of a section: words that are short for one. */
  'x-words'?: readonly string[];
}

/**
 * A value that passes `accepts`; `expected` completes the sentence "expected ...".
 * @param shape the same for editors, which may accept more.
 */
export function value<T>(expected: string, accepts: (input: unknown) => boolean, shape: JsonShape) {
  const schema = z.custom<T>(accepts, { error: (issue) => `expected ${expected}, received ${show(issue.input)}` });
  return schema.meta({ 'x-expected': expected, ...shape });
}

/** An integer from `least` to `most`. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return value<number>(
    integerRange(least, most),
    (input) => isIntegerWithin(input, least, most),
    integerShape(least, most),
  );
}

/** An integer from `least` up, or one of the given words. */
export function integerOr<const Word extends string>(least: number, ...words: Word[]) {
  return value<number | Word>(
    `${integerRange(least, Number.MAX_SAFE_INTEGER)} or ${words.map(show).join(' or ')}`,
    (input) => isIntegerWithin(input, least, Number.MAX_SAFE_INTEGER) || words.includes(input as Word),
    { anyOf: [integerShape(least), { enum: [...words] }] },
  );
}

/** A finite number for which `accepts` holds. */
export function number(expected: string, accepts: (input: number) => boolean, range: JsonShape) {
  const isNumber = (input: unknown) => typeof input === 'number' && Number.isFinite(input) && accepts(input);
  return value<number>(expected, isNumber, { type: 'number', ...range });
}

export function positiveNumber() {
  return number('a number above 0', (input) => input > 0, { exclusiveMinimum: 0 });
}

export function nonNegativeNumber() {
  return number('a number of at least 0', (input) => input >= 0, { minimum: 0 });
}

/** The range of float32's normal numbers: what the engine computes in, where smaller ones are 0. */
const smallestFloat32 = 2 ** -126;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

function isFloat32(input: number): boolean {
  return input >= smallestFloat32 && input <= largestFloat32;
}

/** Above 0 in float32 as well. */
export function positiveFloat32() {
  return number('a number above 0 that float32 can hold (1.2e-38 to 3.4e38)', isFloat32, { exclusiveMinimum: 0 });
}

/** 0, or above 0 in float32 as well. */
export function nonNegativeFloat32() {
  const accepts = (input: number) => input === 0 || isFloat32(input);
  return number('0, or a number that float32 can hold (1.2e-38 to 3.4e38)', accepts, { minimum: 0 });
}

/** A share in [0, 1) that is not 1 in float32. */
export function decayFloat32() {
  const accepts = (input: number) => input >= 0 && Math.fround(input) < 1;
  return number('a number from 0 to below 1 in float32', accepts, fromZeroToBelowOne);
}

/** A share in (0, 1]. */
export function share() {
  return number('a number above 0 and at most 1', (input) => input > 0 && input <= 1, shareShape);
}

export function flag() {
  return value<boolean>('true or false', (input) => typeof input === 'boolean', { type: 'boolean' });
}

export function text() {
  return value<string>('text', (input) => typeof input === 'string', { type: 'string' });
}

/** Whether a value can be a path: text that is not empty. */
export function isPath(input: unknown): input is string {
  return typeof input === 'string' && input !== '';
}

export function path(what: string) {
  return value<string>(what, isPath, pathShape);
}

/** A path or pattern, or a list of them; becomes a list. */
export function paths(what: string) {
  const isOneOrMore = (input: unknown) =>
    isPath(input) || (Array.isArray(input) && input.length > 0 && input.every(isPath));
  const shape: JsonShape = { anyOf: [pathShape, { type: 'array', items: pathShape, minItems: 1 }] };
  return value<string | readonly string[]>(what, isOneOrMore, shape).transform((input) => [input].flat());
}

/** One of a fixed set of words; a near miss is pointed out. `orElse` names what the schema around it accepts as well. */
export function word<const Word extends string>(words: readonly Word[], orElse = '') {
  const expected = `${words.length === 1 ? '' : 'one of '}${words.join(', ')}${orElse}`;
  const schema = z.custom<Word>((input) => words.includes(input as Word), {
    error: ({ input }) => {
      const hint = typeof input === 'string' ? nearestHint(input, words) : '';
      return `expected ${expected}, received ${show(input)}${hint}`;
    },
  });
  return schema.meta({ 'x-expected': expected, enum: [...words] } satisfies JsonShape);
}

/** A mapping with exactly these keys. `expected` names what else the schema around it accepts, if anything. */
export function section<Shape extends z.ZodRawShape>(shape: Shape, expected = 'a section (a mapping of keys)') {
  return z.strictObject(shape, {
    // Other issues (unknown keys) are worded by `validate.ts`, which sees the whole schema.
    error: (issue) =>
      issue.code === 'invalid_type' ? `expected ${expected}, received ${show(issue.input)}` : undefined,
  });
}

export const shareShape = { type: 'number', exclusiveMinimum: 0, maximum: 1 } as const;
export const fromZeroToBelowOne = { minimum: 0, exclusiveMaximum: 1 } as const;
const pathShape = { type: 'string', minLength: 1 } as const;

function integerShape(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const isOpen = most === Number.MAX_SAFE_INTEGER;
  return {
    type: 'integer' as const,
    ...(least === -most ? {} : { minimum: least }),
    ...(isOpen ? {} : { maximum: most }),
  };
}

function isIntegerWithin(input: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(input) && (input as number) >= least && (input as number) <= most;
}

function integerRange(least: number, most: number): string {
  if (most !== Number.MAX_SAFE_INTEGER) return `an integer from ${least} to ${most}`;
  return least === -most ? 'an integer' : `an integer of at least ${least}`;
}
