// Building blocks of the configuration schemas: values whose error says in plain words what was expected and what came.
// Only checks of single values; `validate.ts` runs a schema and words the report.

import * as z from 'zod';
import { quote as show } from '../quote.ts';
import { nearestHint } from './nearest.ts';

/** How a value looks in an error message. */
export { quote as show } from '../quote.ts';

/** A value that passes `accepts`; `expected` completes the sentence "expected ...". */
export function value<T>(expected: string, accepts: (input: unknown) => boolean) {
  return z.custom<T>(accepts, { error: (issue) => `expected ${expected}, received ${show(issue.input)}` });
}

/** An integer from `least` to `most`. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return value<number>(integerRange(least, most), (input) => isIntegerWithin(input, least, most));
}

/** An integer from `least` up, or one of the given words. */
export function integerOr<const Word extends string>(least: number, ...words: Word[]) {
  return value<number | Word>(
    `${integerRange(least, Number.MAX_SAFE_INTEGER)} or ${words.map(show).join(' or ')}`,
    (input) => isIntegerWithin(input, least, Number.MAX_SAFE_INTEGER) || words.includes(input as Word),
  );
}

/** A finite number for which `accepts` holds. */
export function number(expected: string, accepts: (input: number) => boolean) {
  return value<number>(expected, (input) => typeof input === 'number' && Number.isFinite(input) && accepts(input));
}

export function positiveNumber() {
  return number('a number above 0', (input) => input > 0);
}

export function nonNegativeNumber() {
  return number('a number of at least 0', (input) => input >= 0);
}

/** The range of float32's normal numbers: what the engine computes in, where smaller ones are 0. */
const smallestFloat32 = 2 ** -126;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

function isFloat32(input: number): boolean {
  return input >= smallestFloat32 && input <= largestFloat32;
}

/** Above 0 in float32 as well. */
export function positiveFloat32() {
  return number('a number above 0 that float32 can hold (1.2e-38 to 3.4e38)', isFloat32);
}

/** 0, or above 0 in float32 as well. */
export function nonNegativeFloat32() {
  return number('0, or a number that float32 can hold (1.2e-38 to 3.4e38)', (input) => input === 0 || isFloat32(input));
}

/** A share in [0, 1) that is not 1 in float32. */
export function decayFloat32() {
  return number('a number from 0 to below 1 in float32', (input) => input >= 0 && Math.fround(input) < 1);
}

/** A share in (0, 1]. */
export function share() {
  return number('a number above 0 and at most 1', (input) => input > 0 && input <= 1);
}

export function flag() {
  return value<boolean>('true or false', (input) => typeof input === 'boolean');
}

export function text() {
  return value<string>('text', (input) => typeof input === 'string');
}

/** Whether a value can be a path: text that is not empty. */
export function isPath(input: unknown): input is string {
  return typeof input === 'string' && input !== '';
}

export function path(what: string) {
  return value<string>(what, isPath);
}

/** A path or pattern, or a list of them; becomes a list. */
export function paths(what: string) {
  const isOneOrMore = (input: unknown) =>
    isPath(input) || (Array.isArray(input) && input.length > 0 && input.every(isPath));
  return value<string | string[]>(what, isOneOrMore).transform((input) => [input].flat());
}

/** One of a fixed set of words; a near miss is pointed out. `orElse` names what the schema around it accepts as well. */
export function word<const Word extends string>(words: readonly Word[], orElse = '') {
  return z.custom<Word>((input) => words.includes(input as Word), {
    error: ({ input }) => {
      const hint = typeof input === 'string' ? nearestHint(input, words) : '';
      return `expected ${words.length === 1 ? '' : 'one of '}${words.join(', ')}${orElse}, received ${show(input)}${hint}`;
    },
  });
}

/** A mapping with exactly these keys. `expected` names what else the schema around it accepts, if anything. */
export function section<Shape extends z.ZodRawShape>(shape: Shape, expected = 'a section (a mapping of keys)') {
  return z.strictObject(shape, {
    // Other issues (unknown keys) are worded by `validate.ts`, which sees the whole schema.
    error: (issue) =>
      issue.code === 'invalid_type' ? `expected ${expected}, received ${show(issue.input)}` : undefined,
  });
}

function isIntegerWithin(input: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(input) && (input as number) >= least && (input as number) <= most;
}

function integerRange(least: number, most: number): string {
  if (most !== Number.MAX_SAFE_INTEGER) return `an integer from ${least} to ${most}`;
  return least === -most ? 'an integer' : `an integer of at least ${least}`;
}
