// What every step of a run trains: how its groups are drawn, and what has been trained so far. A pure function of
// configuration, seed and step, so that reports can draw the groups of a step again.

import type { ModelConfig } from '../config/model-config.ts';
import { isSamePart, isWhole, type Part, partOf, partSubnetwork, samplerOf, trainedPart } from '../est/part.ts';
import type { Rates } from '../est/rates.ts';
import {
  type ActiveCounts,
  activeCounts,
  isComplete,
  isNested,
  type SamplerConfig,
  sampleSubnetwork,
} from '../est/sampler.ts';
import { type ResolvedStage, Schedule } from '../est/schedule.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { groupsOf } from './groups.ts';
import type { TrainConfig } from './train-config.ts';

/** What steps with the same rates in one stage have in common. */
export interface StepPlan {
  stage: ResolvedStage;
  sampler: SamplerConfig;
  active: ActiveCounts;
  /** Whether nothing is left out. */
  isDense: boolean;
  /** Whether every group would train the same units, so that there is one for each micro-batch. */
  isShared: boolean;
  groupsPerStep: number | 'auto' | 'sequence';
  /** Sequences per micro-batch, and micro-batches. */
  batchSize: number;
  accumulationSteps: number;
  /** What this step and those before train. */
  trained: Part;
  /** The same as a subnetwork; undefined: the full model. */
  trainedSubnetwork: Subnetwork | undefined;
  /** Whether this step trains all of that. */
  trainsAll: boolean;
}

export interface DrawnGroup {
  /** Number within the step. */
  index: number;
  sequences: number;
  /** undefined: the full model. */
  subnetwork: Subnetwork | undefined;
}

export type PlannedConfig = Pick<TrainConfig, 'est' | 'steps' | 'batchSize' | 'accumulationSteps' | 'seed'>;

export class StepPlanner {
  readonly schedule: Schedule;
  readonly #model: ModelConfig;
  readonly #config: PlannedConfig;
  #last: { rates: Rates; stageIndex: number; plan: StepPlan } | undefined;

  /** @throws {BurgeonError} ERR_BURGEON_CONFIG as `Schedule`. */
  constructor(model: ModelConfig, config: PlannedConfig) {
    this.schedule = new Schedule(config.est.schedule, config.steps);
    this.#model = model;
    this.#config = config;
  }

  /** @param step 0-based. */
  at(step: number): StepPlan {
    const { rates, stageIndex } = this.schedule.at(step);
    // Outside ramps a stage has the same rates object at all its steps.
    if (this.#last?.rates !== rates || this.#last.stageIndex !== stageIndex) {
      this.#last = { rates, stageIndex, plan: this.#planOf(step) };
    }
    return this.#last.plan;
  }

  /** What steps 0 to `step` train. */
  trainedPart(step: number): Part {
    return trainedPart(this.#model, this.schedule, this.#config.est, step);
  }

  /** The groups of one micro-batch of a step, in order. */
  groups(step: number, microBatch: number): DrawnGroup[] {
    const { seed } = this.#config;
    const { sampler, isDense, isShared, groupsPerStep, batchSize, accumulationSteps } = this.at(step);
    if (isShared) {
      const subnetwork = isDense ? undefined : sampleSubnetwork(sampler, { seed, step, group: 0 });
      return [{ index: 0, sequences: batchSize, subnetwork }];
    }
    return groupsOf(microBatch, { batchSize, accumulationSteps, groupsPerStep }).map(({ index, begin, end }) => ({
      index,
      sequences: end - begin,
      subnetwork: sampleSubnetwork(sampler, { seed, step, group: index }),
    }));
  }

  #planOf(step: number): StepPlan {
    const config = this.#config;
    const scheduled = this.schedule.at(step);
    const { groupsPerStep = config.est.groupsPerStep, batchSize = config.batchSize } = scheduled;
    const sampler = samplerOf(this.#model, config.est, scheduled);
    const isDense = isComplete(sampler);
    const isShared = isDense || isNested(sampler);
    const trained = this.trainedPart(step);
    return {
      stage: this.schedule.stages[scheduled.stageIndex]!,
      sampler,
      active: activeCounts(sampler),
      isDense,
      isShared,
      groupsPerStep,
      batchSize,
      accumulationSteps: (config.batchSize * config.accumulationSteps) / batchSize,
      trained,
      trainedSubnetwork: isWhole(trained, this.#model) ? undefined : partSubnetwork(trained, this.#model),
      trainsAll: isShared && isSamePart(trained, partOf(this.#model, sampler)),
    };
  }
}
