// Which micro-batches of a step a rank computes, and in which order their gradients add up. The sum is a binary tree over all
// micro-batches of the step; a rank computes those of one subtree, so that 1, 2, 4 ... ranks make the same sum.

import { BurgeonError } from '../errors.ts';

/** Place among the ranks. */
export interface RankOf {
  rank: number;
  size: number;
}

export const onlyRank: RankOf = { rank: 0, size: 1 };

/**
 * The micro-batches of a rank: `count` from `first` on.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where they cannot be dealt in equal parts.
 */
export function shareOf(microBatches: number, { rank, size }: RankOf): { first: number; count: number } {
  if (microBatches % size !== 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${size} ranks: expected a number of micro-batches per step (accumulationSteps) that ${size} divides, found ${microBatches}; raise accumulationSteps and lower batchSize by the same factor`,
    );
  }
  const count = microBatches / size;
  return { first: rank * count, count };
}

/** What follows a micro-batch: sums to add to its gradients, the newest first, and whether to keep the result aside. */
export interface Fold {
  merges: number;
  keeps: boolean;
}

/**
 * What follows each of `count` micro-batches, so that their gradients add up as the halves of the list do, and theirs: of 4,
 * (0 + 1) + (2 + 3).
 */
export function foldsOf(count: number): Fold[] {
  const folds = Array.from({ length: count }, (_, i) => ({ merges: 0, keeps: i < count - 1 }));
  const halve = (begin: number, end: number) => {
    if (end - begin < 2) return;
    const middle = begin + Math.floor((end - begin) / 2);
    halve(begin, middle);
    halve(middle, end);
    folds[end - 1]!.merges++;
  };
  halve(0, count);
  return folds;
}

/** Most sums kept aside at a time while `count` micro-batches add up: copies of all gradients. */
export function keptSums(count: number): number {
  let kept = 0;
  let most = 0;
  for (const { merges, keeps } of foldsOf(count)) {
    kept += (keeps ? 1 : 0) - merges;
    most = Math.max(most, kept);
  }
  return most;
}
