// What a rank sends in a step, in bytes, as native/model/row_exchange.cc and native/core/collectives.h send it. It receives about as much
// at the same time. Pure.

import { partsOf, type RankOf } from './shares.ts';

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

/**
 * Elements that a rank sends while `count` of them are summed: its parts of what others own, and to all others the sums of what it owns.
 * Of one part, 2 (R - 1) / R of them, but for rounding.
 */
export function sentOfSum(count: number, parts: number, { rank, size }: RankOf): number {
  const begin = (owner: number) => Math.floor((count * owner) / size);
  const own = begin(rank + 1) - begin(rank);
  return parts * (count - own) + (size - 1) * own;
}

/** Of a little that is summed: it goes to rank 0 and back, each passing it on to those that follow. */
function sentOfLittle(count: number, { rank, size }: RankOf): number {
  let sent = rank > 0 ? count : 0;
  for (let distance = 1; distance < size; distance *= 2) {
    if (rank < distance && rank + distance < size) sent += count;
  }
  return sent;
}

/**
 * Bytes that a rank sends. Gradients and losses of an expected size need not be whole numbers. Where the update is divided, shares are as
 * large as the rows of each rank: gradients and weights are the mean over the ranks.
 */
export function sentInStep({ elements, flags, microBatches, divided }: Exchanged, rank: RankOf): SentBytes {
  const ofNumbers = (count: number) => 8 * sentOfLittle(count, rank);
  const mean = (count: number) => (4 * count * (rank.size - 1)) / rank.size;
  const parts = partsOf(microBatches, rank);
  return {
    gradients: divided ? parts * mean(divided.touched) : 4 * sentOfSum(elements, parts, rank),
    weights: divided ? mean(divided.updated) : 0,
    flags: sentOfLittle(flags, rank),
    // Two sums of FLOPs, and whether each stops, come with the losses.
    numbers: ofNumbers(2 + rank.size + microBatches) + ofNumbers(rank.size) + ofNumbers(divided?.blocks ?? 0),
  };
}
