// What is likely a slip in what a configuration plans, for people. Pure.

import type { ModelConfig } from '../config/model-config.ts';
import { Schedule } from '../est/schedule.ts';
import { stageNotes } from '../est/stage-text.ts';
import { warmupNotes } from '../optim/lr-schedule.ts';
import type { TrainConfig } from './train-config.ts';

/** @throws {BurgeonError} ERR_BURGEON_CONFIG as `Schedule`. */
export function planNotes(
  model: ModelConfig,
  { est, optimizer, steps }: Pick<TrainConfig, 'est' | 'optimizer' | 'steps'>,
): string[] {
  const schedule = new Schedule(est.schedule, steps);
  return [...warmupNotes(optimizer, steps, schedule.stages[0]!.endStep), ...stageNotes(model, schedule, est)];
}
