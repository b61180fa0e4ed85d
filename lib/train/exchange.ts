// What ranks tell each other in a step: losses and FLOPs of their micro-batches, whether one of them stops, the sums of their
// gradients, and that they came to the same.

import { BurgeonError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { Communicator } from '../ranks/communicator.ts';

/** What a rank has done of a step. */
export interface StepShare {
  /** Number of its first micro-batch. */
  first: number;
  /** Whether it was stopped before its last. */
  isStopped: boolean;
  /** Executed, forward and backward. */
  blockFlops: number;
  allFlops: number;
}

/** What all have done; nothing, where one of them was stopped. */
export interface StepTotals {
  /** Ranks that were stopped. */
  stopped: number[];
  /** Of all micro-batches, in order. */
  losses: number[];
  blockFlops: number;
  allFlops: number;
}

/**
 * After the micro-batches of every rank: leaves the sums of all gradients in each.
 * @param microBatches of all ranks.
 * Where a rank was stopped, all stop, and the gradients are of no use.
 * @throws {BurgeonError} ERR_BURGEON_NONFINITE in all ranks where a loss of one is not finite; ERR_BURGEON_RANKS.
 */
export async function exchangeStep(
  communicator: Communicator,
  model: Model,
  own: StepShare,
  microBatches: number,
): Promise<StepTotals> {
  const ownLosses: number[] = Array(microBatches).fill(0);
  for (const [i, loss] of (await model.takeLosses()).entries()) ownLosses[own.first + i] = loss;
  const ownStop: number[] = Array(communicator.size).fill(0);
  if (own.isStopped) ownStop[communicator.rank] = 1;
  const [blockFlops = 0, allFlops = 0, ...rest] = await communicator.sum(
    [own.blockFlops, own.allFlops, ...ownStop, ...ownLosses],
    'the losses of a step',
  );
  const stopped = rest.slice(0, communicator.size).flatMap((stop, rank) => (stop > 0 ? [rank] : []));
  const losses = rest.slice(communicator.size);
  if (stopped.length > 0) return { stopped, losses: [], blockFlops, allFlops };
  const bad = losses.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0) {
    await model.clearGradients();
    throw new BurgeonError(
      'ERR_BURGEON_NONFINITE',
      `micro-batch ${bad} (rank ${Math.floor(bad / (microBatches / communicator.size))}): loss: expected a finite number, computed ${losses[bad]}; the gradients were cleared. A lower learning rate, ` +
        'more warm-up steps or gradient clipping usually help',
    );
  }
  await model.exchangeGradients(communicator, microBatches);
  return { stopped, losses, blockFlops, allFlops };
}

/**
 * After the update: the same sums give the same norm, in all bits, where all compute alike.
 * @throws {BurgeonError} ERR_BURGEON_RANKS naming the ranks that came to another norm.
 */
export async function requireSameNorm(communicator: Communicator, gradientNorm: number): Promise<void> {
  const own: number[] = Array(communicator.size).fill(0);
  own[communicator.rank] = gradientNorm;
  const norms = await communicator.sum(own, 'the gradient norms of a step');
  const others = norms.flatMap((norm, rank) => (norm === norms[0] ? [] : [`rank ${rank} ${norm}`]));
  if (others.length === 0) return;
  throw new BurgeonError(
    'ERR_BURGEON_RANKS',
    `gradient norm: expected the same on all ranks, rank 0 computed ${norms[0]}, ${others.join(', ')}; ranks must compute alike: the same ` +
      'instruction set (burgeon doctor), precision and version',
  );
}
