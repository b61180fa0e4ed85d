// Regular expressions that would match for years are broken off, and everything else is as it was.

import { expect, test } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { bounded, withinTime } from '../../lib/tokenizer/bounded.ts';

test.each([
  ['nested repetitions', /(a+)+b/u, 'a'.repeat(60)],
  ['alternatives that overlap', /(a|a)*b/u, 'a'.repeat(60)],
  ['words and perhaps spaces', /^(\w+\s?)*$/u, `${'word '.repeat(30)}!`],
])('%s end with an error', (_, pattern, text) => {
  const match = () => withinTime(30, 'tokenizer.json', () => pattern.test(text));
  expect(match).toThrow(/^tokenizer\.json: a text took more than 1 s, so a regular expression in it/);
  expect(match).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_DATA' }));
  expect(withinTime(10_000, 'tokenizer.json', () => pattern.test('ab'))).toBe(pattern.test('ab'));
});

test('results and errors pass through', () => {
  const error = new BurgeonError('ERR_BURGEON_DATA', 'text: something else');
  const fail = (): never => {
    throw error;
  };
  expect(() => withinTime(10_000, 'x', fail)).toThrow(error);
  const core = {
    encode: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
    decode: (tokens: ArrayLike<number>) => String.fromCharCode(...Array.from(tokens)),
    decoder: () => ({ push: String, end: () => '' }),
    byteLength: () => 1,
    cutPoint: () => 0,
  };
  const { encode, decode, cutPoint } = bounded(core, 'x');
  expect(encode('ab')).toEqual(Int32Array.of(97, 98));
  expect(decode([97, 98])).toBe('ab');
  expect(cutPoint('a')).toBe(0);
});
