// Which micro-batches a rank has, and the order in which gradients add up.
import { describe, expect, test } from 'vitest';
import { foldsOf, keptSums, shareOf } from '../../lib/ranks/shares.ts';

/** What a process ends with that follows the folds, each micro-batch being its number. */
function folded(numbers: readonly number[]): { sum: string; kept: number } {
  const aside: string[] = [];
  let most = 0;
  let sum = '';
  for (const [i, { merges, keeps }] of foldsOf(numbers.length).entries()) {
    sum = String(numbers[i]);
    for (let merge = 0; merge < merges; merge++) sum = `(${aside.pop()}+${sum})`;
    if (keeps) aside.push(sum);
    most = Math.max(most, aside.length);
  }
  expect(aside).toEqual([]);
  return { sum, kept: most };
}

/** What ranks make of their sums: neighbours first. */
function acrossRanks(sums: readonly string[]): string {
  if (sums.length === 1) return sums[0]!;
  const half = sums.length / 2;
  return `(${acrossRanks(sums.slice(0, half))}+${acrossRanks(sums.slice(half))})`;
}

describe('the order of a sum', () => {
  test('is a tree', () => {
    expect(folded([0, 1, 2, 3]).sum).toBe('((0+1)+(2+3))');
    expect(folded([0, 1, 2, 3, 4, 5]).sum).toBe('((0+(1+2))+(3+(4+5)))');
    expect(folded([7]).sum).toBe('7');
  });

  test('is the same for every number of ranks that divides the micro-batches', () => {
    for (let count = 1; count <= 48; count++) {
      const alone = folded(Array.from({ length: count }, (_, i) => i)).sum;
      for (let size = 2; count % size === 0; size *= 2) {
        const sums = Array.from({ length: size }, (_, rank) => {
          const share = shareOf(count, { rank, size });
          return folded(Array.from({ length: share.count }, (_, i) => share.first + i)).sum;
        });
        expect(acrossRanks(sums)).toBe(alone);
      }
    }
  });

  test('needs as many copies of the gradients as the tree is deep', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 64].map(keptSums)).toEqual([0, 1, 2, 2, 3, 3, 4, 6]);
    for (let count = 1; count < 70; count++) {
      const { kept } = folded(Array.from({ length: count }, (_, i) => i));
      expect(keptSums(count)).toBe(kept);
    }
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
