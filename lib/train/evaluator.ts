// Loss of a model, or of a subnetwork, over evaluation batches.

import type { FixedBatch } from '../data/fixed-windows.ts';
import { BurgeonError } from '../errors.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import type { Communicator } from '../ranks/communicator.ts';
import { onlyRank } from '../ranks/shares.ts';

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
    /** The other ranks, each of which evaluates some of the batches. They are not stopped. */
    communicator?: Communicator | undefined;
  } = {},
): Promise<Evaluation> {
  const start = performance.now();
  const { communicator, signal, subnetwork } = options;
  const { rank, size } = communicator ?? onlyRank;
  const sums: number[] = [];
  let tokens = 0;
  let isPartial = false;
  for await (const batch of batches) {
    isPartial = !communicator && signal?.aborted === true && tokens > 0;
    if (isPartial) break;
    const { batchSize, targets } = batch;
    const isOwn = sums.length % size === rank;
    const { loss } = isOwn ? await model.forward(batch.tokens, { batchSize, targets, subnetwork }) : { loss: 0 };
    sums.push(loss * targets.length);
    tokens += targets.length;
    options.onBatch?.(tokens);
  }
  const all = communicator ? await communicator.sum(sums, 'the losses of an evaluation') : sums;
  const sum = all.reduce((total, each) => total + each, 0);
  if (!Number.isFinite(sum)) {
    throw new BurgeonError(
      'ERR_BURGEON_NONFINITE',
      `evaluation loss: expected a finite number, computed ${sum / tokens}; the weights hold values that are not finite`,
    );
  }
  return { loss: sum / tokens, tokens, ms: performance.now() - start, ...(isPartial && { isPartial }) };
}
