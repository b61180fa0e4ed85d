// Which micro-batches of a step a rank computes, and in which order their gradients add up: a binary tree over all of the step, which are
// filled up with nothing to a power of two. A rank adds up the subtrees that are its own, and the owners of rows do the rest
// (native/core/sum_tree.h), so that any number of ranks makes the same sum.

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
 * What follows each micro-batch of a rank, so that their gradients add up as a tree does: of 6, ((0 + 1) + (2 + 3)) + (4 + 5). What is
 * kept in the end are the sums of subtrees whose other half another rank has; where a rank has a power of two of micro-batches, none.
 * @param microBatches of all ranks.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where they cannot be dealt.
 */
export function foldsOf(microBatches: number, rank: RankOf = onlyRank): Fold[] {
  const { first, count } = shareOf(microBatches, rank);
  const mergesAfter = (number: number) => {
    let merges = 0;
    for (let width = 2; width / 2 < microBatches; width *= 2) {
      const begin = number - (number % width);
      if (begin < first || Math.min(begin + width, microBatches) !== number + 1) break;
      // Else there is no second half.
      if (number >= begin + width / 2) merges++;
    }
    return merges;
  };
  return Array.from({ length: count }, (_, i) => ({ merges: mergesAfter(first + i), keeps: i < count - 1 }));
}

/** Sums that a rank is left with: what it sends of the gradients. */
export function partsOf(microBatches: number, rank: RankOf): number {
  return keptAfter(foldsOf(microBatches, rank)).at(-1)! + 1;
}

/** Most sums kept aside at a time by any rank: copies of all gradients. */
export function keptSums(microBatches: number, size = 1): number {
  let most = 0;
  for (let rank = 0; rank < size; rank++) {
    for (const kept of keptAfter(foldsOf(microBatches, { rank, size }))) most = Math.max(most, kept);
  }
  return most;
}

/** How many are kept after each micro-batch. */
function keptAfter(folds: readonly Fold[]): number[] {
  let kept = 0;
  return folds.map(({ merges, keeps }) => {
    kept += (keeps ? 1 : 0) - merges;
    return kept;
  });
}
