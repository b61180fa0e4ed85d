// One optimizer step: every micro-batch, its groups each on their own subnetwork, then the update. What is logged, saved and
// timed is left to the caller.

import type { BatchLoader } from '../data/batch-loader.ts';
import { BurgeonError } from '../errors.ts';
import { allFlops, blockFlops } from '../est/flops.ts';
import type { ActiveCounts } from '../est/sampler.ts';
import type { ResolvedStage } from '../est/schedule.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { warmupFactor } from '../est/transition.ts';
import type { Model } from '../model/model.ts';
import type { OptimizerOptions } from '../model/options.ts';
import { learningRateAt } from '../optim/lr-schedule.ts';
import type { StepPlan, StepPlanner } from './step-planner.ts';
import type { TrainConfig } from './train-config.ts';

/** What a step waits for: a batch, forward and backward of it, the update. */
export type StepPart = 'data' | 'batch' | 'update';

export interface StepContext {
  config: TrainConfig;
  model: Model;
  loader: Pick<BatchLoader, 'batch'>;
  planner: StepPlanner;
  /** A group with this share of the step's sequences has trained this subnetwork; undefined: the full model. */
  onGroup?: (subnetwork: Subnetwork | undefined, weight: number) => void;
  /** Does a part of the step, timed. */
  timed?: <Result>(part: StepPart, work: () => Promise<Result>) => Promise<Result>;
}

export interface StepOutcome {
  /** From 1. */
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
  const { config, model, loader, planner, onGroup, timed = (_, work) => work() } = context;
  const plan = planner.at(step);
  const { batchSize, accumulationSteps } = plan;
  await beginStage(context, step);

  let loss = 0;
  let executedBlock = 0;
  let executedAll = 0;
  const groupNumbers = new Set<number>();
  const { rates } = plan.sampler;
  const where = (micro?: number) =>
    `step ${step + 1} (seed ${config.seed}${micro === undefined ? '' : `, micro-batch ${micro}`}, rates ${JSON.stringify(rates)})`;
  for (let micro = 0; micro < accumulationSteps; micro++) {
    const { tokens, targets } = await timed('data', () => loader.batch(step * accumulationSteps + micro, batchSize));
    const groups = planner.groups(step, micro);
    const weight = 1 / accumulationSteps;
    const result = await replayable(
      () => where(micro),
      () => timed('batch', () => model.forwardBackward(tokens, targets, { batchSize, groups, weight })),
    );
    for (const { index, sequences, subnetwork } of groups) {
      groupNumbers.add(index);
      onGroup?.(subnetwork, (weight * sequences) / batchSize);
    }
    loss += weight * result.loss;
    executedBlock += blockFlops(result.forwardFlops) + blockFlops(result.backwardFlops);
    executedAll += allFlops(result.forwardFlops) + allFlops(result.backwardFlops);
  }
  const { schedule: _, inactive, ...optimizer } = config.optimizer;
  const learningRate = learningRateOf(config, plan.stage, step);
  const update = { ...optimizer, ...untrained(plan, inactive), lr: learningRate };
  const { gradientNorm } = await replayable(where, () => timed('update', () => model.optimizerStep(update)));
  return {
    stage: plan.stage.index + 1,
    active: plan.active,
    isDense: plan.isDense,
    groups: groupNumbers.size,
    loss,
    learningRate,
    gradientNorm,
    blockFlops: executedBlock,
    allFlops: executedAll,
  };
}

/** Before the first step of a stage: what it trains for the first time is made from what was trained. */
async function beginStage({ model, planner }: StepContext, step: number): Promise<void> {
  const { stage, trained } = planner.at(step);
  const { startStep, transition } = stage;
  if (step !== startStep || step === 0 || transition === undefined) return;
  await model.grow({ from: planner.trainedPart(step - 1), to: trained, transition });
}

function learningRateOf(config: TrainConfig, { startStep, transition = {} }: ResolvedStage, step: number): number {
  return learningRateAt(config.optimizer, step, config.steps) * warmupFactor(transition, step - startStep);
}

/** What the optimizer must know so that it leaves alone what no step has trained yet. */
function untrained(
  { trainedSubnetwork, trainsAll }: StepPlan,
  inactive: 'zero-grad' | 'freeze',
): Pick<OptimizerOptions, 'inactive' | 'trained'> {
  if (trainedSubnetwork === undefined) return { inactive };
  // Where this step trains all of it, that is what has gradients.
  return trainsAll ? { inactive: 'freeze' } : { inactive, trained: trainedSubnetwork };
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
