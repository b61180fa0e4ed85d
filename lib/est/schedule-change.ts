// What another schedule would have meant for the steps of a run that are done: they must have been trained alike. Pure.

import { isDeepStrictEqual } from 'node:util';
import { BurgeonError } from '../errors.ts';
import { valueText } from '../format.ts';
import { Schedule, type ScheduleName, type StageConfig } from './schedule.ts';
import { schedulePresets } from './schedule-presets.ts';

/** A preset's name, or the stages in order. */
type Stages = readonly StageConfig[] | ScheduleName;

/** Whether two ways of writing a schedule train every step of a run of `totalSteps` alike. Not where one does not fit it. */
export function isSameSchedule(a: Stages, b: Stages, totalSteps: number): boolean {
  const [first, second] = [resolve(a, totalSteps), resolve(b, totalSteps)];
  return first !== undefined && second !== undefined && describeMove(first, second, totalSteps) === undefined;
}

/**
 * The first of the steps done that another schedule would have trained otherwise, in words; undefined where there is none.
 * @param done steps; no more than either schedule has.
 */
export function describeMove(before: Schedule, after: Schedule, done: number): string | undefined {
  for (let step = 0; step < done; step++) {
    const [was, is] = [before.at(step).stageIndex, after.at(step).stageIndex];
    if (was !== is) {
      const index = Math.min(was, is);
      const [end, otherEnd] = [before, after].map(({ stages }) => stages[index]!.endStep);
      return `stage ${index + 1} ended after step ${end} and would end after step ${otherEnd}`;
    }
    const [had, has] = [settingsAt(before, step), settingsAt(after, step)];
    if (!isDeepStrictEqual(had, has)) {
      return `step ${step + 1}, in stage ${was + 1}, had ${valueText(had)} and would have ${valueText(has)}`;
    }
  }
  return undefined;
}

/** What a step is trained with: all that its stage says, with the rates of the step for those of the stage's two ends. */
function settingsAt(schedule: Schedule, step: number): object {
  const { stageIndex, ...ofStep } = schedule.at(step);
  const { transition } = schedule.stages[stageIndex]!;
  return { ...ofStep, ...(transition && { transition }) };
}

/**
 * The stages with their ends in steps, where they are now; the last lasts to the end of a run of another length.
 * @param done steps.
 * @returns undefined where these stages do not fit, or would not leave the steps done as they were.
 */
export function withFixedEnds(
  written: Stages,
  before: Schedule,
  totalSteps: number,
  done: number,
): StageConfig[] | undefined {
  const stages: readonly StageConfig[] = typeof written === 'string' ? schedulePresets[written].stages : written;
  const fixed = stages.map(({ endFraction: _, endStep: __, ...rates }, i): StageConfig => {
    return i === stages.length - 1 ? rates : { endStep: before.stages[i]!.endStep, ...rates };
  });
  const after = resolve(fixed, totalSteps);
  return after !== undefined && describeMove(before, after, done) === undefined ? fixed : undefined;
}

/** undefined where the stages do not fit a run of so many steps. */
function resolve(stages: Stages, totalSteps: number): Schedule | undefined {
  try {
    return new Schedule(stages, totalSteps);
  } catch (error) {
    if (error instanceof BurgeonError) return undefined;
    throw error;
  }
}
