// One optimizer step: every micro-batch, its groups each on their own subnetwork, then the update. What is logged, saved and
// timed is left to the caller.

import type { TrainConfig } from '../config/train-config.ts';
import type { BatchLoader } from '../data/batch-loader.ts';
import { BurgeonError } from '../errors.ts';
import { allFlops, blockFlops } from '../est/flops.ts';
import { type ActiveCounts, activeCounts, sampleSubnetwork } from '../est/sampler.ts';
import type { Schedule } from '../est/schedule.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import { learningRateAt } from '../optim/lr-schedule.ts';
import { groupsOf } from './groups.ts';

/** What a step waits for: a batch, forward and backward of it, the update. */
export type StepPart = 'data' | 'batch' | 'update';

export interface StepContext {
  config: TrainConfig;
  model: Model;
  loader: BatchLoader;
  schedule: Schedule;
  /** A group with this share of the step's sequences has trained this subnetwork; undefined: the full model. */
  onGroup?: (subnetwork: Subnetwork | undefined, weight: number) => void;
  /** Does a part of the step, timed. */
  timed?: <Result>(part: StepPart, work: () => Promise<Result>) => Promise<Result>;
}

export interface StepOutcome {
  /** From 0. */
  stage: number;
  active: ActiveCounts;
  /** Whether nothing was left out. */
  isDense: boolean;
  /** Subnetworks trained. */
  groups: number;
  /** Mean nats per token of the subnetworks. */
  loss: number;
  learningRate: number;
  /** Before clipping. */
  gradientNorm: number;
  /** Executed, forward and backward. */
  blockFlops: number;
  allFlops: number;
}

/**
 * @param step from 0.
 * @throws {BurgeonError} ERR_BURGEON_NONFINITE when loss or gradient norm is not finite, with what is needed to replay the
 *   step.
 */
export async function trainStep(context: StepContext, step: number): Promise<StepOutcome> {
  const { config, model, loader, schedule, onGroup, timed = (_, work) => work() } = context;
  const { stage, rates } = schedule.at(step);
  const sampler = { ...model.config, ...config.est, rates };
  const active = activeCounts(sampler);
  const isDense = isComplete(active, model);
  const { batchSize, accumulationSteps } = config;
  const layerScale = config.est.layerScale === 'inverse' ? model.config.nLayer / active.layers : 1;

  let loss = 0;
  let executedBlock = 0;
  let executedAll = 0;
  const groupNumbers = new Set<number>();
  const where = (micro?: number) =>
    `step ${step + 1} (seed ${config.seed}${micro === undefined ? '' : `, micro-batch ${micro}`}, rates ${JSON.stringify(rates)})`;
  for (let micro = 0; micro < accumulationSteps; micro++) {
    const { tokens, targets } = await timed('data', () => loader.batch(step * accumulationSteps + micro));
    // Where nothing is left out all groups are the same network, and one.
    const members = isDense ? [{ index: 0, begin: 0, end: batchSize }] : groupsOf(micro, { ...config, ...config.est });
    const groups = members.map(({ index, begin, end }) => {
      groupNumbers.add(index);
      const subnetwork = isDense ? undefined : sampleSubnetwork(sampler, { seed: config.seed, step, group: index });
      return { sequences: end - begin, subnetwork };
    });
    const weight = 1 / accumulationSteps;
    const options = { batchSize, groups, layerScale, weight };
    const result = await replayable(
      () => where(micro),
      () => timed('batch', () => model.forwardBackward(tokens, targets, options)),
    );
    for (const { sequences, subnetwork } of groups) onGroup?.(subnetwork, (weight * sequences) / batchSize);
    loss += weight * result.loss;
    executedBlock += blockFlops(result.forwardFlops) + blockFlops(result.backwardFlops);
    executedAll += allFlops(result.forwardFlops) + allFlops(result.backwardFlops);
  }
  const { schedule: _, ...optimizer } = config.optimizer;
  const learningRate = learningRateAt(config.optimizer, step, config.steps);
  const { gradientNorm } = await replayable(where, () =>
    timed('update', () => model.optimizerStep({ ...optimizer, lr: learningRate })),
  );
  return {
    stage,
    active,
    isDense,
    groups: groupNumbers.size,
    loss,
    learningRate,
    gradientNorm,
    blockFlops: executedBlock,
    allFlops: executedAll,
  };
}

function isComplete(active: ActiveCounts, { config }: Model): boolean {
  return active.layers === config.nLayer && active.heads === config.nHead && active.neurons === config.nInner;
}

/** Adds to a non-finite number's error what is needed to compute it again. */
export async function replayable<Result>(where: () => string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BurgeonError) || error.code !== 'ERR_BURGEON_NONFINITE') throw error;
    throw new BurgeonError(error.code, `${where()}: ${error.message}`, { cause: error });
  }
}
