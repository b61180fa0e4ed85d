// The stages of a run, planned beside measured. Pure.

import { planSchedule, type SchedulePlan } from '../est/plan.ts';
import { Schedule } from '../est/schedule.ts';
import { growsAt, stageText } from '../est/stage-text.ts';
import type { StartLine } from '../train/metrics.ts';
import type { StageTotals } from '../train/run-state.ts';
import type { RunData, StageRow } from './run-data.ts';

/** The plan of a run. */
export function planOf(
  { config, model }: StartLine,
  schedule = new Schedule(config.est.schedule, config.steps),
): SchedulePlan {
  return planSchedule(model, schedule, {
    // Shares do not depend on it, and a run of another version may not say.
    sequencesPerStep: config.batchSize * config.accumulationSteps || 1,
    sequenceLength: config.sequenceLength,
    samplerOptions: config.est,
  });
}

/** @param totals what was measured so far. */
export function stageRows(
  start: StartLine | undefined,
  totals: readonly StageTotals[],
): Pick<RunData, 'stages' | 'plannedSaving'> {
  if (start === undefined) return { stages: [], plannedSaving: null };
  const { config, model } = start;
  const schedule = new Schedule(config.est.schedule, config.steps);
  const plan = planOf(start, schedule);
  const denseSteps = totals.reduce((sum, stage) => sum + stage.denseSteps, 0);
  const denseMs = totals.reduce((sum, stage) => sum + stage.denseMs, 0) / denseSteps;
  const stages = plan.stages.map((planned): StageRow => {
    const done = totals.find(({ stage }) => stage === planned.index + 1);
    const msPerStep = done ? done.ms / done.steps : null;
    const range = (key: 'layers' | 'heads' | 'neurons'): [number, number] => [
      planned.countsFrom[key],
      planned.countsTo[key],
    ];
    return {
      stage: planned.index + 1,
      startStep: planned.startStep,
      endStep: planned.endStep,
      active: { layers: range('layers'), heads: range('heads'), neurons: range('neurons') },
      which: stageText(planned, growsAt(model, schedule, config.est, planned)),
      plannedBlockRatio: planned.blockFlopRatio,
      steps: done?.steps ?? 0,
      blockRatio: done ? done.blockFlops / done.denseBlockFlops : null,
      msPerStep,
      timeRatio: msPerStep === null || denseSteps === 0 ? null : msPerStep / denseMs,
    };
  });
  return { stages, plannedSaving: { block: plan.blockSaving, all: plan.allSaving } };
}
