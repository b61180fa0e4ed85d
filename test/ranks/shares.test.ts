// Which micro-batches a rank has, and the order in which gradients add up.
import { describe, expect, test } from 'vitest';
import { foldsOf, keptSums, onlyRank, partsOf, type RankOf, shareOf } from '../../lib/ranks/shares.ts';

/** What a rank is left with that follows the folds, each micro-batch being its number; and most sums kept aside at a time. */
function folded(microBatches: number, rank: RankOf = onlyRank): { parts: string[]; kept: number } {
  const parts: string[] = [];
  let most = 0;
  const { first } = shareOf(microBatches, rank);
  const folds = foldsOf(microBatches, rank);
  for (const [i, { merges, keeps }] of folds.entries()) {
    let sum = String(first + i);
    for (let merge = 0; merge < merges; merge++) sum = `(${parts.pop()}+${sum})`;
    parts.push(sum);
    expect(keeps).toBe(i < folds.length - 1);
    if (keeps) most = Math.max(most, parts.length);
    else most = Math.max(most, parts.length - 1);
  }
  return { parts, kept: most };
}

describe('the order of a sum', () => {
  test('is a tree', () => {
    expect(folded(4).parts).toEqual(['((0+1)+(2+3))']);
    expect(folded(6).parts).toEqual(['(((0+1)+(2+3))+(4+5))']);
    expect(folded(7).parts).toEqual(['(((0+1)+(2+3))+((4+5)+6))']);
    expect(folded(1).parts).toEqual(['0']);
  });

  test('is cut where ranks begin: what the engine puts together again (native/test/ranks_test.cc)', () => {
    const ranks = (microBatches: number, size: number) =>
      Array.from({ length: size }, (_, rank) => folded(microBatches, { rank, size }).parts);
    expect(ranks(6, 3)).toEqual([['(0+1)'], ['(2+3)'], ['(4+5)']]);
    expect(ranks(6, 2)).toEqual([
      ['(0+1)', '2'],
      ['3', '(4+5)'],
    ]);
    expect(ranks(14, 2)[1]).toEqual(['7', '((8+9)+(10+11))+(12+13)'].map((part, i) => (i === 0 ? part : `(${part})`)));
    for (let microBatches = 1; microBatches <= 30; microBatches++) {
      const whole = folded(microBatches).parts[0]!;
      for (let size = 1; size <= microBatches; size++) {
        if (microBatches % size !== 0) continue;
        const all = ranks(microBatches, size);
        // Every part stands as it is in the tree of one rank.
        expect(all.flat().filter((part) => !whole.includes(part))).toEqual([]);
        expect(all.flat().join().match(/\d+/g)!.map(Number)).toEqual(Array.from({ length: microBatches }, (_, i) => i));
        for (const [rank, parts] of all.entries()) expect(partsOf(microBatches, { rank, size })).toBe(parts.length);
        if (Number.isInteger(Math.log2(microBatches / size)))
          expect(all.map(({ length }) => length)).toEqual(Array(size).fill(1));
      }
    }
  });

  test('needs as many copies of the gradients as the tree is deep', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 64].map((count) => keptSums(count))).toEqual([0, 1, 1, 2, 2, 3, 3, 6]);
    for (let count = 1; count < 70; count++) expect(keptSums(count)).toBe(folded(count).kept);
    // The second rank has 3, 4 and 5.
    expect(keptSums(6, 2)).toBe(2);
    expect(folded(6, { rank: 1, size: 2 }).kept).toBe(2);
    expect(keptSums(24, 6)).toBe(2);
  });
});

test('micro-batches are dealt in equal parts or not at all', () => {
  expect([0, 1, 2, 3].map((rank) => shareOf(8, { rank, size: 4 }))).toEqual(
    [0, 2, 4, 6].map((first) => ({ first, count: 2 })),
  );
  expect(() => shareOf(6, { rank: 0, size: 4 })).toThrow(
    '4 ranks: expected a number of micro-batches per step (accumulationSteps) that 4 divides, found 6; raise accumulationSteps and lower batchSize by the same factor',
  );
});
