// Which units a step trained, drawn again from its seed as the trainer drew them. Pure.

import { Schedule } from '../est/schedule.ts';
import { drawGroups, samplingOf } from '../train/draw-groups.ts';
import type { StartLine } from '../train/metrics.ts';
import { newUnitSums, type UnitShares, UnitUsage } from '../train/unit-usage.ts';

/** Shares of the sequences of a step that train each unit, drawn again. @param step from 1. */
export function unitsOfStep({ config, model }: StartLine, step: number): UnitShares {
  const sampling = samplingOf(model, config, new Schedule(config.est.schedule, config.steps), step - 1);
  const usage = new UnitUsage(model, newUnitSums(model));
  usage.begin();
  for (let micro = 0; micro < sampling.accumulationSteps; micro++) {
    for (const { sequences, subnetwork } of drawGroups(sampling, config.seed, micro)) {
      usage.add(subnetwork, sequences / (config.batchSize * config.accumulationSteps));
    }
  }
  return usage.step;
}
