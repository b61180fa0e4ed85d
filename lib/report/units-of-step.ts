// Which units a step trained, drawn again from its seed as the trainer drew them. Pure.

import { activeCounts, sampleSubnetwork } from '../est/sampler.ts';
import { Schedule } from '../est/schedule.ts';
import { groupsOf } from '../train/groups.ts';
import type { StartLine } from '../train/metrics.ts';
import { newUnitSums, type UnitShares, UnitUsage } from '../train/unit-usage.ts';

/** Shares of the sequences of a step that train each unit, drawn again. @param step from 1. */
export function unitsOfStep({ config, model }: StartLine, step: number): UnitShares {
  const { rates } = new Schedule(config.est.schedule, config.steps).at(step - 1);
  const sampler = { ...model, ...config.est, rates };
  const active = activeCounts(sampler);
  const usage = new UnitUsage(model, newUnitSums(model));
  usage.begin();
  const isDense = active.layers === model.nLayer && active.heads === model.nHead && active.neurons === model.nInner;
  if (isDense) usage.add(undefined, 1);
  else {
    for (let micro = 0; micro < config.accumulationSteps; micro++) {
      for (const { index, begin, end } of groupsOf(micro, { ...config, ...config.est })) {
        const subnetwork = sampleSubnetwork(sampler, { seed: config.seed, step: step - 1, group: index });
        usage.add(subnetwork, (end - begin) / (config.batchSize * config.accumulationSteps));
      }
    }
  }
  return usage.step;
}
