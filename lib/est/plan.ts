// What a schedule costs on a given model before anything is trained: active counts, FLOPs and savings per stage and for
// the run, summed exactly over steps (ramps included). Relies on `schedule.ts`, `sampler.ts` for the counts and
// `flops.ts` for the rule. Measured time is not planned here.

import { type BlockShape, blockOf } from '../config/architecture.ts';
import { optional, requireInteger, requireObject } from '../config/require.ts';
import {
  allFlops,
  blockFlops,
  countFlopsFromCounts,
  type FlopCount,
  type RunFlops,
  requireModel,
  runFlops,
} from './flops.ts';
import { requireSchedule, samplerOf } from './part.ts';
import type { Rates } from './rates.ts';
import { type ActiveCounts, activeCounts, type SamplerOptions } from './sampler.ts';
import { type ResolvedStage, Schedule } from './schedule.ts';

export interface PlanOptions {
  /** Sequences per optimizer step, over all micro-batches. */
  sequencesPerStep: number;
  /** Tokens per sequence, T. */
  sequenceLength: number;
  samplerOptions?: SamplerOptions | undefined;
}

/** One stage of the plan. FLOPs are forward and backward of all its steps; where layers are active by chance, their mean. */
export interface PlannedStage extends ResolvedStage {
  steps: number;
  /** Active counts at the first step. */
  countsFrom: ActiveCounts;
  /** Active counts at the last step. */
  countsTo: ActiveCounts;
  blockFlops: number;
  allFlops: number;
  /** Block FLOPs relative to the same steps dense. */
  blockFlopRatio: number;
  /** All FLOPs relative to the same steps dense. */
  allFlopRatio: number;
}

/** allSaving is blockSaving * (1 - headShare). */
export interface SchedulePlan extends RunFlops {
  /** Stages that have steps; a short run may have rounded others away. */
  stages: PlannedStage[];
  /** The language-model head's share of all FLOPs of a dense step. */
  headShare: number;
}

/** Steps of a ramp that are counted, evenly spread where it has more: no run of today has. */
const mostSamples = 2 ** 20;

export type PlanModel = BlockShape & { vocabSize: number };

/**
 * Plans a whole run.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for wrong arguments, or if the sampler options do not fit the model or a stage's rates.
 */
export function planSchedule(model: PlanModel, schedule: Schedule, options: PlanOptions): SchedulePlan {
  requireModel(model);
  requireSchedule(schedule);
  requireObject('options', options);
  requireInteger('options.sequencesPerStep', options.sequencesPerStep, 1);
  requireInteger('options.sequenceLength', options.sequenceLength, 1);
  optional(requireObject, 'options.samplerOptions', options.samplerOptions);
  const stepCost = (counts: ActiveCounts) => costOfStep(model, options, counts);
  const countsOf = ({ options: stageOptions }: ResolvedStage, rates: Rates) =>
    activeCounts(samplerOf(model, options.samplerOptions ?? {}, { ...stageOptions, rates }));
  const { nKvHead } = blockOf(model);
  const dense = stepCost({ layers: model.nLayer, heads: model.nHead, kvHeads: nKvHead, neurons: model.nInner });

  const nonEmpty = schedule.stages.filter((stage) => stage.startStep < stage.endStep);
  const stages = nonEmpty.map((stage): PlannedStage => {
    const steps = stage.endStep - stage.startStep;
    let block = 0;
    let all = 0;
    if (stage.ratesFrom === stage.ratesTo) {
      const cost = stepCost(countsOf(stage, stage.ratesFrom));
      block = steps * blockFlops(cost);
      all = steps * allFlops(cost);
    } else {
      const samples = Math.min(steps, mostSamples);
      for (let i = 0; i < samples; i++) {
        const step = stage.startStep + Math.floor(i * (steps / samples));
        const cost = stepCost(countsOf(stage, schedule.at(step).rates));
        block += (steps / samples) * blockFlops(cost);
        all += (steps / samples) * allFlops(cost);
      }
    }
    return {
      ...stage,
      steps,
      countsFrom: countsOf(stage, stage.ratesFrom),
      countsTo: countsOf(stage, stage.ratesTo),
      blockFlops: block,
      allFlops: all,
      blockFlopRatio: block / (steps * blockFlops(dense)),
      allFlopRatio: all / (steps * allFlops(dense)),
    };
  });

  const total = (key: 'blockFlops' | 'allFlops') => stages.reduce((sum, stage) => sum + stage[key], 0);
  return {
    stages,
    ...runFlops({
      blockFlops: total('blockFlops'),
      allFlops: total('allFlops'),
      denseBlockFlops: schedule.totalSteps * blockFlops(dense),
      denseAllFlops: schedule.totalSteps * allFlops(dense),
    }),
    headShare: dense.forward.head / allFlops(dense.forward),
  };
}

/**
 * `Schedule.forTargetSaving` with the savings a stage has on this model, after rounding of counts.
 * @param target share of the block FLOPs to save.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if it cannot be reached, or as `planSchedule`.
 */
export function planTargetSaving(model: PlanModel, target: number, totalSteps: number, options: PlanOptions): Schedule {
  const probe = new Schedule(
    [
      { endStep: 1, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endStep: 2, heads: 0.5, neurons: 0.5 },
    ],
    2,
  );
  const [first, second] = planSchedule(model, probe, options).stages;
  return Schedule.forTargetSaving(target, totalSteps, [1 - first!.blockFlopRatio, 1 - second!.blockFlopRatio]);
}

function costOfStep(model: PlanModel, options: PlanOptions, counts: ActiveCounts): FlopCount {
  const { sequencesPerStep, sequenceLength } = options;
  return countFlopsFromCounts(model, { batchSize: sequencesPerStep, sequenceLength, ...counts });
}

/** All FLOPs of the first `step` steps; exact but within a ramp of rates. */
export function flopsUpTo({ stages }: SchedulePlan, step: number): number {
  return stages.reduce((sum, { allFlops, startStep, steps }) => {
    const share = Math.min(1, Math.max(0, (step - startStep) / steps));
    return sum + share * allFlops;
  }, 0);
}
