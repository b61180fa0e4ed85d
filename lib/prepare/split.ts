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
 * @returns per document, 1 for validation.
 */
export function chooseValidation(nBytes: ArrayLike<number>, fraction: number): Uint8Array {
  const target = fraction * sum(nBytes);
  const isValidation = new Uint8Array(nBytes.length);
  const order = permutation(new CounterRng(0, streamTag), nBytes.length);
  let taken = 0;
  let chosen = 0;
  for (const document of order) {
    if (taken >= closeEnough * target) break;
    const size = nBytes[document]!;
    if (Math.abs(taken + size - target) >= Math.abs(taken - target)) continue;
    isValidation[document] = 1;
    taken += size;
    chosen++;
  }
  // With few or very unequal documents one side may have come out empty; the smallest document is the least distortion.
  if (chosen === 0) isValidation[smallest(nBytes)] = 1;
  if (chosen === nBytes.length) isValidation[smallest(nBytes)] = 0;
  return isValidation;
}

/**
 * The same decision for one of very many documents, whose sizes need not be known: an independent draw for each. Among
 * a million documents the share comes out within a fraction of a percent of what is asked for.
 */
export function drawValidation(document: number, fraction: number): boolean {
  return new CounterRng(0, streamTag, document).nextFloat() < fraction;
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

function smallest(nBytes: ArrayLike<number>): number {
  let best = 0;
  for (let document = 1; document < nBytes.length; document++) if (nBytes[document]! < nBytes[best]!) best = document;
  return best;
}
