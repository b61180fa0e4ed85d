// Generation, token by token: keys and values of earlier tokens are kept, so that each new one costs one token's work. Where
// prompt and text outgrow a sequence, the newest part of it is read again.

import { BurgeonError } from '../errors.ts';
import type { CounterRng } from '../est/rng.ts';
import { describe } from './arguments.ts';
import { checkSamplingOptions, chooseToken } from './next-token.ts';
import type { GenerateOptions } from './options.ts';

/** Share of the context that is kept where a text outgrows it. */
const keptContext = 0.75;

export type CompleteOptions = GenerateOptions & { maxTokens: number; sequenceLength: number };

/** @throws {BurgeonError} ERR_BURGEON_CONFIG. */
export function completeOptions(options: GenerateOptions, contextLength: number): CompleteOptions {
  checkSamplingOptions(options);
  const { maxTokens = 100, sequenceLength = contextLength } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `maxTokens: expected an integer >= 0, received ${describe(maxTokens)}`,
    );
  }
  if (!Number.isInteger(sequenceLength) || sequenceLength < 1 || sequenceLength > contextLength) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `sequenceLength: expected an integer from 1 to ${contextLength}, the model's context length, received ${sequenceLength}`,
    );
  }
  return { ...options, maxTokens, sequenceLength };
}

/**
 * @param extend reads tokens that follow `past` others, with room for `capacity` in all; resolves to the logits of the last.
 */
export async function* continueText(
  prompt: readonly number[],
  rng: CounterRng,
  options: CompleteOptions,
  extend: (added: Int32Array, past: number, capacity: number) => Promise<Float32Array | Float64Array>,
): AsyncGenerator<number, void, undefined> {
  const { maxTokens, sequenceLength, signal } = options;
  const stopTokens = [options.stopToken].flat();
  let window = prompt.slice(-sequenceLength);
  const capacity = Math.min(window.length + maxTokens, sequenceLength);
  let past = 0;
  for (let count = 0; count < maxTokens && !signal?.aborted; count++) {
    if (window.length > sequenceLength) {
      window = window.slice(-Math.ceil(sequenceLength * keptContext));
      past = 0;
    }
    const logits = await extend(Int32Array.from(window.slice(past)), past, capacity);
    past = window.length;
    const token = chooseToken(logits, options, rng.nextFloat());
    if (stopTokens.includes(token)) return;
    window.push(token);
    yield token;
  }
}
