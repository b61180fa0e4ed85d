// The groups of a step with the subnetworks they train: a pure function of configuration, seed and step, so that reports can
// draw them again.

import type { ModelConfig } from '../config/model-config.ts';
import type { TrainConfig } from '../config/train-config.ts';
import { samplerOf } from '../est/part.ts';
import {
  type ActiveCounts,
  activeCounts,
  isComplete,
  isNested,
  type SamplerConfig,
  sampleSubnetwork,
} from '../est/sampler.ts';
import type { Schedule } from '../est/schedule.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { groupsOf } from './groups.ts';

/** How the groups of one step are drawn. */
export interface StepSampling {
  /** 0-based. */
  step: number;
  /** Index of the stage. */
  stage: number;
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
}

export interface DrawnGroup {
  /** Number within the step. */
  index: number;
  sequences: number;
  /** undefined: the full model. */
  subnetwork: Subnetwork | undefined;
}

export function samplingOf(model: ModelConfig, config: TrainConfig, schedule: Schedule, step: number): StepSampling {
  const { groupsPerStep = config.est.groupsPerStep, batchSize = config.batchSize, ...scheduled } = schedule.at(step);
  const sampler = samplerOf(model, config.est, scheduled);
  const isDense = isComplete(sampler);
  const isShared = isDense || isNested(sampler);
  return {
    ...{ step, stage: scheduled.stage, sampler, active: activeCounts(sampler), isDense, isShared, groupsPerStep },
    ...{ batchSize, accumulationSteps: (config.batchSize * config.accumulationSteps) / batchSize },
  };
}

/** The groups of one micro-batch, in order. */
export function drawGroups(sampling: StepSampling, seed: number, microBatch: number): DrawnGroup[] {
  const { step, sampler, isDense, isShared, groupsPerStep, batchSize, accumulationSteps } = sampling;
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
