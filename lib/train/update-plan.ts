// What Muon's products cost in the updates of a run, which neither block FLOPs nor all FLOPs have in them.

import type { ModelConfig } from '../config/model-config.ts';
import { countNewtonSchulzFlops } from '../est/newton-schulz.ts';
import { partSubnetwork, trainedPart } from '../est/part.ts';
import type { PlannedStage } from '../est/plan.ts';
import { Schedule } from '../est/schedule.ts';
import type { TrainConfig } from './train-config.ts';

export interface UpdateFlops {
  /** From 1. */
  stage: number;
  /** Of an update at the end of the stage: of all that was trained so far. With `inactive: freeze` of what a step draws, which is less. */
  newtonSchulzFlops: number;
  /** Relative to forward and backward of a step, the mean of the stage. */
  share: number;
}

/** @returns undefined where the optimizer has no such products. */
export function planUpdates(
  model: ModelConfig,
  config: Pick<TrainConfig, 'optimizer' | 'est' | 'steps'>,
  stages: readonly PlannedStage[],
): UpdateFlops[] | undefined {
  if (config.optimizer.type !== 'muon') return undefined;
  const schedule = new Schedule(config.est.schedule, config.steps);
  return stages.map(({ index, endStep, steps, allFlops }) => {
    const trained = trainedPart(model, schedule, config.est, endStep - 1);
    const newtonSchulzFlops = countNewtonSchulzFlops(model, partSubnetwork(trained, model));
    return { stage: index + 1, newtonSchulzFlops, share: (newtonSchulzFlops * steps) / allFlops };
  });
}
