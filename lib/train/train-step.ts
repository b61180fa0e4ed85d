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
import type { Communicator } from '../ranks/communicator.ts';
import { foldsOf, onlyRank, shareOf } from '../ranks/shares.ts';
import { exchangeStep, requireSameNorm, type StepShare } from './exchange.ts';
import type { DrawnGroup, StepPlan, StepPlanner } from './step-planner.ts';
import type { TrainConfig } from './train-config.ts';

/** What a step waits for: a batch, forward and backward of it, the update. */
export type StepPart = 'data' | 'batch' | 'update';

export interface StepContext {
  config: TrainConfig;
  model: Model;
  loader: Pick<BatchLoader, 'batch'>;
  planner: StepPlanner;
  /** The other ranks, each of which does its share of every step. */
  communicator?: Communicator | undefined;
  /** A group with this share of the step's sequences has trained this subnetwork; undefined: the full model. */
  onGroup?: (subnetwork: Subnetwork | undefined, weight: number) => void;
  /** Stops the step between two micro-batches; of a rank that is not the first, also before them. */
  signal?: AbortSignal | undefined;
  /** Other ranks stop the step. */
  onOthersStop?: ((ranks: readonly number[]) => void) | undefined;
  /** From now on weights and moments are neither those before the step nor those after it, until it has ended well. */
  onChange?: () => void;
  /** Does a part of the step, timed. */
  timed?: <Result>(part: StepPart, work: () => Promise<Result>) => Promise<Result>;
}

/** What this rank has done. */
interface OwnShare extends StepShare {
  groupNumbers: ReadonlySet<number>;
}

const inPlace = <Result>(_: StepPart, work: () => Promise<Result>) => work();

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
  /** Executed by the update of every rank; only with Muon. */
  newtonSchulzFlops?: number;
}

/**
 * @param step from 0.
 * @returns undefined where the signal stopped it: weights and moments are as they were.
 * @throws {BurgeonError} ERR_BURGEON_NONFINITE when loss or gradient norm is not finite, with what is needed to replay the
 *   step.
 */
export async function trainStep(context: StepContext, step: number): Promise<StepOutcome | undefined> {
  const { config, model, planner, communicator, timed = inPlace } = context;
  const plan = planner.at(step);
  const where = `step ${step + 1} (seed ${config.seed}, rates ${JSON.stringify(plan.sampler.rates)})`;
  const hasGrown = await beginStage(context, step);
  // What has grown cannot go back, so that step is finished.
  const own = await addGradients(context, step, !hasGrown);
  const totals = communicator
    ? await replayable(where, () => exchangeStep(communicator, model, own, plan.accumulationSteps))
    : own;
  const others = 'stopped' in totals ? totals.stopped.filter((rank) => rank !== communicator?.rank) : [];
  if (own.isStopped || others.length > 0) {
    await model.clearGradients();
    if (others.length > 0) context.onOthersStop?.(others);
    return undefined;
  }
  const { type, schedule: _, shard: __, inactive, ...optimizer } = config.optimizer;
  const learningRate = learningRateOf(config, plan.stage, step);
  const update = { ...optimizer, ...untrained(plan, inactive), lr: learningRate };
  const { gradientNorm, losses, newtonSchulzFlops } = await replayable(where, () =>
    timed('update', () => model.optimizerStep(update, communicator)).catch((error) => {
      // A loss or norm that is not finite is found before anything is updated.
      if (!isNonFinite(error)) context.onChange?.();
      throw error;
    }),
  );
  if (communicator) {
    await requireSameNorm(communicator, gradientNorm).catch((error) => {
      // This rank has made the step already; whether the others came to the same is not known.
      context.onChange?.();
      throw error;
    });
  }
  const { blockFlops, allFlops } = totals;
  const all = 'losses' in totals ? totals.losses : losses;
  return {
    stage: plan.stage.index + 1,
    active: plan.active,
    isDense: plan.isDense,
    groups: own.groupNumbers.size,
    loss: all.reduce((sum, loss) => sum + (1 / plan.accumulationSteps) * loss, 0),
    learningRate,
    gradientNorm,
    blockFlops,
    allFlops,
    ...(type === 'muon' && { newtonSchulzFlops }),
  };
}

/** Adds up the gradients of this rank's micro-batches, and tells of the groups of all from its first on. */
async function addGradients(context: StepContext, step: number, mayStop: boolean): Promise<OwnShare> {
  const { model, loader, planner, signal, communicator = onlyRank, onGroup, timed = inPlace } = context;
  const { batchSize, accumulationSteps } = planner.at(step);
  const { first, count } = shareOf(accumulationSteps, communicator);
  const weight = 1 / accumulationSteps;
  const share = { first, isStopped: false, blockFlops: 0, allFlops: 0, groupNumbers: new Set<number>() };
  const tell = (groups: readonly DrawnGroup[]) => {
    for (const { index, sequences, subnetwork } of groups) {
      share.groupNumbers.add(index);
      onGroup?.(subnetwork, (weight * sequences) / batchSize);
    }
  };
  const number = (at: number, micro: number) => at * accumulationSteps + first + micro;
  for (const [micro, fold] of foldsOf(accumulationSteps, communicator).entries()) {
    // Rank 0 looks between two steps as well.
    const isDue = micro > 0 || communicator.rank > 0;
    if (isDue && signal?.aborted && mayStop) return { ...share, isStopped: true };
    const next = micro + 1 < count ? number(step, micro + 1) : number(step + 1, 0);
    const { tokens, targets } = await timed('data', () => loader.batch(number(step, micro), batchSize, next));
    const groups = planner.groups(step, first + micro);
    const result = await timed('batch', () => model.accumulate(tokens, targets, { batchSize, groups, weight }));
    if (count > 1) await model.foldGradients(fold);
    tell(groups);
    share.blockFlops += blockFlops(result.forwardFlops) + blockFlops(result.backwardFlops);
    share.allFlops += allFlops(result.forwardFlops) + allFlops(result.backwardFlops);
  }
  for (let micro = first + count; onGroup && micro < accumulationSteps; micro++) tell(planner.groups(step, micro));
  return share;
}

/** Before the first step of a stage: what it trains for the first time is made from what was trained. @returns whether there was any. */
async function beginStage({ model, planner, communicator, onChange }: StepContext, step: number): Promise<boolean> {
  const { stage, trained } = planner.at(step);
  const { startStep, transition } = stage;
  if (step !== startStep || step === 0 || transition === undefined) return false;
  onChange?.();
  await model.grow({ from: planner.trainedPart(step - 1), to: trained, transition }, communicator);
  return true;
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
export async function replayable<Result>(where: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isNonFinite(error)) throw error;
    throw new BurgeonError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}

export function isNonFinite(error: unknown): error is BurgeonError {
  return error instanceof BurgeonError && error.code === 'ERR_BURGEON_NONFINITE';
}
