// What each stage of a run takes of its device's memory: that of the part it trains, with its own micro-batches.

import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { partSize, trainedPart } from '../est/part.ts';
import { Schedule } from '../est/schedule.ts';
import { bytes } from '../format.ts';
import { type MemoryPlan, planMemory } from '../model/native-options.ts';
import type { ModelOptions } from '../model/options.ts';
import type { TrainConfig } from './train-config.ts';

export interface StageMemory {
  /** From 1. */
  stage: number;
  /** Sequences per micro-batch. */
  batchSize: number;
  /** Up to and with this stage: memory once taken is kept. Evaluations take no more. */
  memory: MemoryPlan;
  /**
   * The most sequences per micro-batch, of those that divide the sequences of a step, for which activations take no more than those of
   * the full model with the run's micro-batch.
   */
  proposedBatchSize: number;
}

type MemoryConfig = Pick<TrainConfig, 'batchSize' | 'accumulationSteps' | 'sequenceLength' | 'est' | 'steps'>;

/** @throws {BurgeonError} as `planMemory`. */
export function planStageMemory(
  model: ModelConfig,
  config: MemoryConfig,
  options: ModelOptions & { ranks?: number },
): StageMemory[] {
  const { sequenceLength, est } = config;
  const schedule = new Schedule(est.schedule, config.steps);
  const whole = planMemory(model, config.batchSize, sequenceLength, options);
  const sequences = config.batchSize * config.accumulationSteps;
  return schedule.stages
    .filter(({ startStep, endStep }) => startStep < endStep)
    .map(({ index, endStep, options: { batchSize = config.batchSize } }) => {
      const part = partSize(trainedPart(model, schedule, est, endStep - 1), model);
      const planOf = (size: number) =>
        planMemory(model, size, sequenceLength, { ...options, part, accumulationSteps: sequences / size });
      let proposedBatchSize = config.batchSize;
      for (let size = config.batchSize + 1; size <= sequences; size++) {
        if (sequences % size !== 0) continue;
        if (planOf(size).activations > whole.activations) break;
        proposedBatchSize = size;
      }
      return { stage: index + 1, batchSize, memory: planOf(batchSize), proposedBatchSize };
    });
}

/**
 * Finds out before training whether stages with micro-batches of their own fit. Others take no more than the full model does, for
 * which its creation answers.
 * @throws {BurgeonError} ERR_BURGEON_OUT_OF_MEMORY naming the stage and the most sequences that fit.
 */
export function checkStageMemory(
  model: ModelConfig,
  config: MemoryConfig,
  options: ModelOptions & { ranks?: number },
): void {
  const { stages } = new Schedule(config.est.schedule, config.steps);
  if (stages.every((stage) => stage.options.batchSize === undefined)) return;
  for (const { stage, batchSize, memory, proposedBatchSize } of planStageMemory(model, config, options)) {
    if (memory.capacity === 0 || memory.total <= memory.capacity) continue;
    throw new BurgeonError(
      'ERR_BURGEON_OUT_OF_MEMORY',
      `stage ${stage} of the schedule: expected micro-batches that fit in ${bytes(memory.capacity)} of ${memory.deviceName}, ${batchSize} sequences take ${bytes(memory.total)}; batchSize: ${proposedBatchSize} takes no more than the full model`,
    );
  }
}
