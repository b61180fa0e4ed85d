// What ranks exchange: in a given step exactly, and in the steps of a stage as it is expected. Pure.

import type { ModelConfig } from '../config/model-config.ts';
import { samplerOf } from '../est/part.ts';
import type { Rates } from '../est/rates.ts';
import { sampleSubnetwork } from '../est/sampler.ts';
import type { ResolvedStage } from '../est/schedule.ts';
import { arrayElements, blockCount, expectedUnionElements, flagCount, type Union, unionOf } from '../est/union.ts';
import { type Exchanged, type SentBytes, sentInStep } from '../ranks/sent-bytes.ts';
import { keptSums, partsOf, type RankOf } from '../ranks/shares.ts';
import { groupCount } from './groups.ts';
import { requireShares } from './lead.ts';
import { type PlannedConfig, type StepPlan, StepPlanner } from './step-planner.ts';
import type { TrainConfig } from './train-config.ts';

/** Who updates what. */
type Update = Pick<TrainConfig['optimizer'], 'shard' | 'inactive'>;

/** What the ranks exchange in a step. */
export interface StepExchange {
  union: Union;
  /** What a rank sends. */
  sent: SentBytes;
}

/** What a stage takes of every rank. Bytes. */
export interface RankStage {
  /** From 1. */
  stage: number;
  /** Of a step, of all ranks. */
  microBatches: number;
  /** Subnetworks per step. */
  groups: number;
  /** What rank 0 sends in a step, at the first and at the last step of the stage; of drawn groups the mean. */
  sentFrom: SentBytes;
  sentTo: SentBytes;
  /** Copies of the gradients that are kept aside while a rank's micro-batches add up. */
  sums: number;
  /** What is packed and what is received at a time: in the memory of the host, over NCCL in that of the device. */
  buffers: number;
}

/**
 * What step `step` exchanges.
 * @param step 0-based.
 */
export function stepExchange(
  model: ModelConfig,
  planner: StepPlanner,
  step: number,
  rank: RankOf,
  update: Update,
): StepExchange {
  const plan = planner.at(step);
  const { accumulationSteps } = plan;
  const groups = Array.from({ length: accumulationSteps }, (_, micro) => planner.groups(step, micro)).flat();
  const union = unionOf(
    model,
    groups.map(({ subnetwork }) => subnetwork),
  );
  return { union, sent: sentInStep(exchanged(model, union, plan, update), rank) };
}

/**
 * What each stage that has steps takes of every rank.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where the micro-batches of a stage cannot be dealt.
 */
export function planRanks(
  model: ModelConfig,
  config: PlannedConfig & Pick<TrainConfig, 'optimizer'>,
  ranks: number,
): RankStage[] {
  const first = { rank: 0, size: ranks };
  requireShares(config, first);
  const planner = new StepPlanner(model, config);
  return planner.schedule.stages
    .filter(({ startStep, endStep }) => startStep < endStep)
    .map((stage) => {
      const { startStep, endStep } = stage;
      const { accumulationSteps: microBatches } = planner.at(startStep);
      const ends = [startStep, endStep - 1].map((step) => {
        const union = expectedUnion(model, config, planner, stage, step);
        return { union, all: exchanged(model, union, planner.at(step), config.optimizer) };
      });
      const [from, to] = ends.map(({ all }) => sentInStep(all, first));
      const buffersOf = ({ all: { elements, divided } }: (typeof ends)[number]) =>
        4 *
        Math.max(
          ...(divided
            ? [buffered(divided.touched, microBatches, ranks), buffered(divided.updated, ranks, ranks)]
            : [buffered(elements, microBatches, ranks)]),
        );
      return {
        stage: stage.index + 1,
        microBatches,
        groups: groupsOfStep(planner, startStep),
        sentFrom: from!,
        sentTo: to!,
        sums: 4 * keptSums(microBatches, ranks) * arrayElements(model),
        buffers: ranks === 1 ? 0 : Math.round(Math.max(...ends.map(buffersOf))),
      };
    });
}

/** Elements of parts that a rank sends or receives before they are added up: native/model/row_exchange.h. */
const mostAtOnce = 2 ** 24;

/** Elements of the memory for an exchange of so many, where all owners have equal parts of them. */
function buffered(elements: number, microBatches: number, ranks: number): number {
  const parts = Array.from({ length: ranks }, (_, rank) => partsOf(microBatches, { rank, size: ranks }));
  const most = Math.max(...parts);
  const atOnce = Math.min(Math.ceil(elements / ranks), Math.max(1, Math.floor(mostAtOnce / (most * ranks))));
  return atOnce * (parts.reduce((sum, each) => sum + each, 0) + most * ranks);
}

/** Bytes of a step. */
export const totalOf = ({ gradients, weights, flags, numbers }: SentBytes) => gradients + weights + flags + numbers;

/** Seconds for the bytes of a step at so many bytes per second, sent and received at the same time; no time to begin. */
export function secondsToSend(sent: SentBytes, bytesPerSecond: number): number {
  return totalOf(sent) / bytesPerSecond;
}

function exchanged(
  model: ModelConfig,
  { elements, touched }: Union,
  { accumulationSteps: microBatches, trainedSubnetwork, trainsAll }: StepPlan,
  { shard, inactive }: Update,
): Exchanged {
  const all = { elements, flags: flagCount(model), microBatches };
  if (!shard) return all;
  // As train-step.ts tells the optimizer.
  const isTouchedOnly = inactive === 'freeze' || (trainedSubnetwork !== undefined && trainsAll);
  const updated = isTouchedOnly ? touched : unionOf(model, [trainedSubnetwork]).touched;
  return { ...all, divided: { touched, updated, blocks: blockCount(model) } };
}

/** Exactly where all groups train the same. */
function expectedUnion(
  model: ModelConfig,
  { est, seed }: PlannedConfig,
  planner: StepPlanner,
  stage: ResolvedStage,
  step: number,
): Union {
  const rates: Rates = planner.schedule.at(step).rates;
  const sampler = samplerOf(model, est, { ...stage.options, rates });
  if (planner.at(step).isShared) return unionOf(model, [sampleSubnetwork(sampler, { seed, step, group: 0 })]);
  const elements = expectedUnionElements(model, sampler, groupsOfStep(planner, step));
  return { elements, touched: elements };
}

function groupsOfStep(planner: StepPlanner, step: number): number {
  const { isShared, batchSize, accumulationSteps, groupsPerStep } = planner.at(step);
  return isShared ? 1 : groupCount({ batchSize, accumulationSteps, groupsPerStep });
}
