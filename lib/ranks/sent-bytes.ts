// What a rank sends in a step, in bytes, as core/collectives.h sends it: halves to neighbours, and the shares back. It
// receives about as much at the same time. Pure.

import type { RankOf } from './shares.ts';

/** Bytes that a rank sends in a step. What rank 0 says beside that (what is next) is some 100 bytes. */
export interface SentBytes {
  /** Of the sum of gradients. */
  gradients: number;
  /** Of updated weights, where the update is divided over ranks. */
  weights: number;
  /** Which units were touched. */
  flags: number;
  /** Losses and FLOPs of the micro-batches, and norms; where the update is divided also what these are made of. */
  numbers: number;
}

/** What is exchanged in a step. */
export interface Exchanged {
  /** Of gradients; `unionOf` of est/union.ts. */
  elements: number;
  /** `flagCount` of the model. */
  flags: number;
  /** Of all ranks. */
  microBatches: number;
  /** Where the update is divided over ranks: elements of the gradients of rows, of the weights that change, and `blockCount` of the model. */
  divided?: { touched: number; updated: number; blocks: number } | undefined;
}

/** Elements that a rank sends while `count` of them are summed over all ranks: 2 (R - 1) / R of them, but for rounding. */
export function sentOfSum(count: number, { rank, size }: RankOf): number {
  const shares = [count];
  let sent = 0;
  for (let distance = 1; distance < size; distance *= 2) {
    const share = shares.at(-1)!;
    const lower = Math.floor(share / 2);
    const kept = (rank & distance) === 0 ? lower : share - lower;
    sent += share - kept;
    shares.push(kept);
  }
  // Back, a rank sends what it has been given so far: all of each share that it kept.
  return sent + shares.slice(1).reduce((sum, share) => sum + share, 0);
}

/**
 * Bytes that a rank sends. Gradients and losses of an expected size need not be whole numbers. Where the update is divided, shares are as
 * large as the rows of each rank: gradients and weights are the mean over the ranks.
 */
export function sentInStep({ elements, flags, microBatches, divided }: Exchanged, rank: RankOf): SentBytes {
  const ofNumbers = (count: number) => 8 * sentOfSum(count, rank);
  const mean = (count: number) => (4 * count * (rank.size - 1)) / rank.size;
  return {
    gradients: divided ? mean(divided.touched) : 4 * sentOfSum(elements, rank),
    weights: divided ? mean(divided.updated) : 0,
    flags: sentOfSum(flags, rank),
    // Two sums of FLOPs, and whether each stops, come with the losses.
    numbers: ofNumbers(2 + rank.size + microBatches) + ofNumbers(rank.size) + ofNumbers(divided?.blocks ?? 0),
  };
}
