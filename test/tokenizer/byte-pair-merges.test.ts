import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BytePairMerges } from '../../lib/tokenizer/byte-pair-merges.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const singleBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
// 256 "ab", 257 "bc", 258 "abc" (ab + c), 259 "aa", 260 "aaaa"
const learned = ['ab', 'bc', 'abc', 'aa', 'aaaa'].map(bytes);
const merges = new BytePairMerges([...singleBytes, ...learned]);

describe('BytePairMerges', () => {
  it('finds the pair that each token was merged from', () => {
    expect(merges.merges).toEqual([
      [97, 98],
      [98, 99],
      [256, 99],
      [97, 97],
      [259, 259],
    ]);
  });

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
  ])('encodes %j', (text, tokens) => {
    expect(merges.encode(bytes(text))).toEqual(tokens);
  });

  it('does the same as the algorithm in plain words', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
    fc.assert(
      fc.property(text, (value) => {
        expect(merges.encode(bytes(value))).toEqual(encodeSlowly(bytes(value)));
      }),
    );
  });

  it('refuses a table in which a token is not the merge of two earlier ones', () => {
    expect(() => new BytePairMerges([...singleBytes, bytes('abc')])).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(/token 256 .* found 3/) }),
    );
  });
});

/** Again and again: of all adjacent pairs that are tokens, merge the one with the lowest id, the leftmost of these. */
function encodeSlowly(text: Buffer): number[] {
  const tokenOf = new Map(learned.map((token, i) => [token.toString('latin1'), 256 + i]));
  const parts = [...text.toString('latin1')];
  for (;;) {
    const candidates = parts.slice(1).map((right, i) => tokenOf.get(parts[i] + right) ?? Number.POSITIVE_INFINITY);
    const lowest = Math.min(...candidates);
    if (!Number.isFinite(lowest)) return parts.map((part) => tokenOf.get(part) ?? part.charCodeAt(0));
    const at = candidates.indexOf(lowest);
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}
