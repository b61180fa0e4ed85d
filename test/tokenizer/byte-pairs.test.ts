import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BytePairVocabulary, createBytePairEncoder } from '../../lib/tokenizer/byte-pairs.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const singleBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
// 256 "ab", 257 "bc", 258 "abc" (ab + c), 259 "aa", 260 "aaaa"
const learned = ['ab', 'bc', 'abc', 'aa', 'aaaa'].map(bytes);
const vocabulary: BytePairVocabulary = {
  tokens: [...singleBytes, ...learned],
  merges: [
    [97, 98, 256],
    [98, 99, 257],
    [256, 99, 258],
    [97, 97, 259],
    [259, 259, 260],
  ],
};
const encoder = createBytePairEncoder(vocabulary);

describe('encoder', () => {
  // Letters are one piece each.
  it.each([
    ['', []],
    ['a', [97]],
    ['abc', [258]],
    // "ab" was learned before "bc" and "aa", so it wins wherever it stands.
    ['bcab', [257, 256]],
    ['aab', [97, 256]],
    // Equal merges: the leftmost first.
    ['aaa', [259, 97]],
    ['aaaaa', [260, 97]],
    ['aaaabc', [259, 97, 258]],
    // No merge crosses from one piece to the next.
    ['a b', [97, 32, 98]],
  ])('encodes %j', (text, tokens) => {
    expect([...encoder.encode(text)]).toEqual(tokens);
  });

  it('does the same as the algorithm in plain words, for short pieces and long ones', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(text, (value) => {
        expect([...encoder.encode(value)]).toEqual(encodeSlowly(value));
      }),
    );
  });

  it('refuses what is not text, and merges that are none', () => {
    expect(() => encoder.encode(7 as never)).toThrow('expected a string');
    const create = (merges: [number, number, number][]) => createBytePairEncoder({ tokens: singleBytes, merges });
    expect(() => create([[97, 98, 256]])).toThrow('expected tokens in [0, 256), received 256');
    expect(() => create([[97, -1, 3]])).toThrow('received -1');
    expect(() =>
      create([
        [97, 98, 3],
        [97, 98, 4],
      ]),
    ).toThrow('merge 1: expected another pair, found that of merge 0 again');
  });
});

/** Again and again: of all adjacent pairs that are tokens, merge the one with the lowest id, the leftmost of these. */
function encodeSlowly(text: string): number[] {
  const tokenOf = new Map(learned.map((token, i) => [token.toString('latin1'), 256 + i]));
  const parts = [...text];
  for (;;) {
    const candidates = parts.slice(1).map((right, i) => tokenOf.get(parts[i] + right) ?? Number.POSITIVE_INFINITY);
    const lowest = Math.min(...candidates);
    if (!Number.isFinite(lowest)) return parts.map((part) => tokenOf.get(part) ?? part.charCodeAt(0));
    const at = candidates.indexOf(lowest);
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}
