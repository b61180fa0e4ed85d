// Which units a step trained, drawn again from its seed as the trainer drew them. Pure.

import type { StartLine } from '../train/metrics.ts';
import { StepPlanner } from '../train/step-planner.ts';
import { newUnitSums, type UnitShares, UnitUsage } from '../train/unit-usage.ts';

/** Shares of the sequences of a step that train each unit, drawn again. @param step from 1. */
export function unitsOfStep({ config, model }: StartLine, step: number): UnitShares {
  const planner = new StepPlanner(model, config);
  const usage = new UnitUsage(model, newUnitSums(model));
  usage.begin();
  for (let micro = 0; micro < planner.at(step - 1).accumulationSteps; micro++) {
    for (const { sequences, subnetwork } of planner.groups(step - 1, micro)) {
      usage.add(subnetwork, sequences / (config.batchSize * config.accumulationSteps));
    }
  }
  return usage.step;
}
