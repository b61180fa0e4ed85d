// The cost of a step and the saving so far, all along a schedule: what a picture of a plan shows. Pure.

import { blockOf } from '../config/architecture.ts';
import { blockFlops, countFlopsFromCounts } from './flops.ts';
import { samplerOf } from './part.ts';
import type { PlanModel, PlanOptions } from './plan.ts';
import type { Rates } from './rates.ts';
import { activeCounts } from './sampler.ts';
import type { Schedule, ScheduledRates } from './schedule.ts';

export interface PlanCurve {
  /** Number of the step, from 1. */
  step: number[];
  /** Block FLOPs of the step over those of a dense one. */
  blockRatio: number[];
  /** Block FLOPs left out up to and with the step, over those of the whole run dense. */
  saved: number[];
}

/**
 * @param points at most as many steps, evenly spaced, the first and the last among them.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG as `planSchedule`.
 */
export function planCurve(model: PlanModel, schedule: Schedule, options: PlanOptions, points: number): PlanCurve {
  const { nLayer, nHead, nInner } = model;
  const { nKvHead } = blockOf(model);
  const shape = { batchSize: options.sequencesPerStep, sequenceLength: options.sequenceLength };
  const dense = blockFlops(
    countFlopsFromCounts(model, { ...shape, layers: nLayer, heads: nHead, kvHeads: nKvHead, neurons: nInner }),
  );
  const ratioOf = (scheduled: ScheduledRates) => {
    const counts = activeCounts(samplerOf(model, options.samplerOptions ?? {}, scheduled));
    return blockFlops(countFlopsFromCounts(model, { ...shape, ...counts })) / dense;
  };
  const { totalSteps } = schedule;
  const wanted = new Set(
    Array.from({ length: points }, (_, i) => Math.round((i * (totalSteps - 1)) / Math.max(1, points - 1))),
  );
  const curve: PlanCurve = { step: [], blockRatio: [], saved: [] };
  let saved = 0;
  let lastRates: Rates | undefined;
  let ratio = 1;
  for (let step = 0; step < totalSteps; step++) {
    const scheduled = schedule.at(step);
    // Outside ramps a stage has the same rates object at all its steps.
    if (scheduled.rates !== lastRates) ratio = ratioOf(scheduled);
    lastRates = scheduled.rates;
    saved += 1 - ratio;
    if (!wanted.has(step)) continue;
    curve.step.push(step + 1);
    curve.blockRatio.push(ratio);
    curve.saved.push(saved / totalSteps);
  }
  return curve;
}
