// Chooses the next token from logits: temperature, top-k, top-p. Pure.

import { BurgeonError } from '../errors.ts';
import { describe } from './arguments.ts';

export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. Default 1. */
  temperature?: number | undefined;
  /** Keeps the k likeliest tokens; 0 keeps all. Default 0. */
  topK?: number | undefined;
  /** Keeps the likeliest tokens whose probabilities reach p together, after topK. Default 1: all. */
  topP?: number | undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for a value out of range. */
export function checkSamplingOptions({ temperature = 1, topK = 0, topP = 1 }: SamplingOptions): void {
  if (!(Number.isFinite(temperature) && temperature >= 0)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `temperature: expected a number >= 0, received ${describe(temperature)}`,
    );
  }
  if (!(Number.isInteger(topK) && topK >= 0)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `topK: expected an integer >= 0 (0 keeps all), received ${describe(topK)}`,
    );
  }
  if (typeof topP !== 'number' || !(topP > 0 && topP <= 1)) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', `topP: expected a number in (0, 1], received ${describe(topP)}`);
  }
}

/**
 * @param logits (V) scores of one position.
 * @param uniform a random number in [0, 1).
 * @returns a token in [0, V).
 * @throws {BurgeonError} ERR_BURGEON_NONFINITE when a logit is not finite: the weights are not, then.
 */
export function chooseToken(logits: ArrayLike<number>, options: SamplingOptions, uniform: number): number {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  let best = 0;
  for (let v = 0; v < logits.length; v++) {
    if (!Number.isFinite(logits[v])) {
      throw new BurgeonError('ERR_BURGEON_NONFINITE', `logits[${v}]: expected a finite number, computed ${logits[v]}`);
    }
    if (logits[v]! > logits[best]!) best = v;
  }
  if (temperature === 0) return best;

  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  let candidates = Uint32Array.from(weights, (_, v) => v);
  if ((topK > 0 && topK < weights.length) || topP < 1) {
    // Likeliest first; equal weights in the order of their tokens, so that the choice is a pure function.
    candidates.sort((a, b) => weights[b]! - weights[a]! || a - b);
    if (topK > 0) candidates = candidates.subarray(0, topK);
    const enough = topP * sumOf(candidates, weights);
    let kept = 0;
    let reached = 0;
    while (kept < candidates.length && reached < enough) reached += weights[candidates[kept++]!]!;
    candidates = candidates.subarray(0, Math.max(1, kept));
  }
  let rest = uniform * sumOf(candidates, weights);
  for (const candidate of candidates) {
    rest -= weights[candidate]!;
    if (rest < 0) return candidate;
  }
  return candidates.at(-1)!;
}

function sumOf(candidates: Uint32Array, weights: Float64Array): number {
  let sum = 0;
  for (const candidate of candidates) sum += weights[candidate]!;
  return sum;
}
