// One optimizer step: every micro-batch in its groups, each on its own subnetwork, then the update. What is logged, saved and
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

/** What a step waits for: a batch, forward and backward of a group, the update. */
export type StepPart = 'data' | 'group' | 'update';

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
  const { batchSize, sequenceLength: T, accumulationSteps } = config;
  const layerScale = config.est.layerScale === 'inverse' ? model.config.nLayer / active.layers : 1;
  const stepSequences = batchSize * accumulationSteps;

  let loss = 0;
  let executedBlock = 0;
  let executedAll = 0;
  const groupNumbers = new Set<number>();
  const where = (group?: number) =>
    `step ${step + 1} (seed ${config.seed}${group === undefined ? '' : `, group ${group}`}, rates ${JSON.stringify(rates)})`;
  for (let micro = 0; micro < accumulationSteps; micro++) {
    const { tokens, targets } = await timed('data', () => loader.batch(step * accumulationSteps + micro));
    // Where nothing is left out all groups are the same network: one call does them all.
    const groups = isDense ? [{ index: 0, begin: 0, end: batchSize }] : groupsOf(micro, { ...config, ...config.est });
    for (const { index, begin, end } of groups) {
      groupNumbers.add(index);
      const weight = (end - begin) / stepSequences;
      const subnetwork = isDense ? undefined : sampleSubnetwork(sampler, { seed: config.seed, step, group: index });
      const options = { batchSize: end - begin, subnetwork, layerScale, weight };
      const result = await replayable(
        () => where(index),
        () =>
          timed('group', () =>
            model.forwardBackward(tokens.subarray(begin * T, end * T), targets.subarray(begin * T, end * T), options),
          ),
      );
      onGroup?.(subnetwork, weight);
      loss += weight * result.loss;
      executedBlock += blockFlops(result.forwardFlops) + blockFlops(result.backwardFlops);
      executedAll += allFlops(result.forwardFlops) + allFlops(result.backwardFlops);
    }
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
