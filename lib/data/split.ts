// Which documents go to validation. Pure: document sizes in, decisions out; the same sizes always give the same split.

import { CounterRng, permutation } from '../est/rng.ts';

/** First path element of the random stream used here ("split"). */
const streamTag = 0x73706c6974;

/**
 * Share of the target that is close enough. Going on for the last bytes would take only documents small enough to fit,
 * and validation would consist of smaller documents than training.
 */
const closeEnough = 0.98;

/**
 * Chooses validation documents for a given share of the bytes: goes through the documents in a fixed random order and
 * takes each one that brings the share closer to `fraction`, until it is close enough. Both sides get at least one.
 * @param nBytes   sizes of the documents, at least two, each positive.
 * @param fraction share of validation, in (0, 1).
 * @returns per document, true for validation.
 */
export function chooseValidation(nBytes: readonly number[], fraction: number): boolean[] {
  const target = fraction * nBytes.reduce((sum, n) => sum + n, 0);
  const isValidation = nBytes.map(() => false);
  const order = permutation(new CounterRng(0, streamTag), nBytes.length);
  let taken = 0;
  let chosen = 0;
  for (const document of order) {
    if (taken >= closeEnough * target) break;
    const size = nBytes[document]!;
    if (Math.abs(taken + size - target) >= Math.abs(taken - target)) continue;
    isValidation[document] = true;
    taken += size;
    chosen++;
  }
  // With few or very unequal documents one side may have come out empty; the smallest document is the least distortion.
  if (chosen === 0) isValidation[smallest(nBytes)] = true;
  if (chosen === nBytes.length) isValidation[smallest(nBytes)] = false;
  return isValidation;
}

function smallest(nBytes: readonly number[]): number {
  return nBytes.reduce((best, size, document) => (size < nBytes[best]! ? document : best), 0);
}
