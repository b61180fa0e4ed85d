// Loss of a model, or of a subnetwork, over evaluation batches.

import type { FixedBatch } from '../data/fixed-windows.ts';
import { BurgeonError } from '../errors.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';

export interface Evaluation {
  /** Mean nats per target. */
  loss: number;
  /** Targets it is the mean of. */
  tokens: number;
  ms: number;
  /** Only where the signal stopped it: a mean of the first batches. */
  isPartial?: true;
}

/**
 * Evaluates without touching gradients or optimizer state.
 * @param options.subnetwork what takes part; absent: the full model.
 * @param options.signal stops between batches, with the mean so far.
 * @throws {BurgeonError} ERR_BURGEON_NONFINITE when the loss is not a finite number.
 */
export async function evaluate(
  model: Model,
  batches: AsyncIterable<FixedBatch>,
  options: {
    subnetwork?: Subnetwork | undefined;
    signal?: AbortSignal | undefined;
    onBatch?: (tokens: number) => void;
  } = {},
): Promise<Evaluation> {
  const start = performance.now();
  let sum = 0;
  let tokens = 0;
  let isPartial = false;
  for await (const batch of batches) {
    isPartial = options.signal?.aborted === true && tokens > 0;
    if (isPartial) break;
    const { batchSize, targets } = batch;
    const { loss } = await model.forward(batch.tokens, { batchSize, targets, subnetwork: options.subnetwork });
    sum += loss * batch.targets.length;
    tokens += batch.targets.length;
    options.onBatch?.(tokens);
  }
  if (!Number.isFinite(sum)) {
    throw new BurgeonError(
      'ERR_BURGEON_NONFINITE',
      `evaluation loss: expected a finite number, computed ${sum / tokens}; the weights hold values that are not finite`,
    );
  }
  return { loss: sum / tokens, tokens, ms: performance.now() - start, ...(isPartial && { isPartial }) };
}
