// The schedule: stages of a run, each with rates for heads, neurons and layers, which units these leave active, and what
// new ones start from, resolved to whole steps. Which units are drawn is `sampler.ts`, what a stage costs on a given model
// is `plan.ts`; learning rate and data order do not depend on the stage.

import { show } from '../config/fields.ts';
import { nearestHint } from '../config/nearest.ts';
import { requireInteger, requireReadable } from '../config/require.ts';
import { withoutUndefined } from '../config/without-undefined.ts';
import { BurgeonError } from '../errors.ts';
import { counted } from '../format.ts';
import { canMix, dimensionNames, isFull, isRate, mixRates, type Rates } from './rates.ts';
import { checkChoice, choices, type StageSampling } from './sampler.ts';
import { type ScheduleName, scheduleNames, schedulePresets } from './schedule-presets.ts';
import type { StageConfig, StageRate } from './stage.ts';
import { readTransition, type Transition } from './transition.ts';

export { type ScheduleName, scheduleNames } from './schedule-presets.ts';
export type { StageConfig, StageRate } from './stage.ts';

/** How steps of a stage sample, where it differs from what the run says. */
export type StageOptions = StageSampling & Pick<StageConfig, 'keepFirst' | 'keepLast' | 'groupsPerStep' | 'batchSize'>;

/** A stage in steps: startStep <= step < endStep. Empty if the run is too short for it. */
export interface ResolvedStage {
  /** From 0, as steps are. */
  index: number;
  startStep: number;
  endStep: number;
  /** Rates at the first step. */
  ratesFrom: Rates;
  /** Rates at the last step. */
  ratesTo: Rates;
  options: StageOptions;
  transition?: Transition;
}

/** The rates of one step, and how they are used. */
export interface ScheduledRates extends StageOptions {
  /** Of its stage in `stages`, from 0. Where a field is called `stage`, as in metrics, it counts from 1. */
  stageIndex: number;
  rates: Rates;
}

export class Schedule {
  readonly totalSteps: number;
  /** In order; together they cover steps 0 to totalSteps - 1 exactly once. */
  readonly stages: readonly ResolvedStage[];
  /** True if no step leaves anything out. */
  readonly isDense: boolean;

  /**
   * @param stages a preset's name, or the stages in order.
   * @param totalSteps optimizer steps of the run, at least 1.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG if stages do not increase, do not end with the run, or a rate is not in
   * (0, 1].
   */
  constructor(stages: readonly StageConfig[] | ScheduleName, totalSteps: number) {
    if (!Number.isSafeInteger(totalSteps) || totalSteps < 1) {
      fail(`schedule: expected a run of at least 1 step, received ${show(totalSteps)}`);
    }
    this.totalSteps = totalSteps;
    this.stages = resolveStages(typeof stages === 'string' ? definition(stages) : stages, totalSteps);
    this.isDense = this.stages.every(
      (stage) => stage.startStep === stage.endStep || (areFull(stage.ratesFrom) && areFull(stage.ratesTo)),
    );
  }

  /**
   * The rates of a step.
   * @param step 0-based, below totalSteps.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a step outside the run.
   */
  at(step: number): ScheduledRates {
    const isStep = Number.isInteger(step) && step >= 0;
    const stage = isStep ? this.stages.find((candidate) => step < candidate.endStep) : undefined;
    if (stage === undefined) fail(`schedule: expected a step from 0 to ${this.totalSteps - 1}, received ${show(step)}`);
    return { ...stage.options, stageIndex: stage.index, rates: ratesWithin(stage, step) };
  }

  /**
   * The schedule of `est-gpt2`'s form that saves the given share of the block FLOPs: its two first stages keep their
   * rates and their 2 : 5 proportion and are made longer or shorter.
   * @param target share of the block FLOPs to save, in [0, most]; most is 4/7 with the nominal stage savings.
   * @param totalSteps optimizer steps of the run.
   * @param stageSavings share of a step's block FLOPs that the first and second stage save. The default is nominal;
   * rounding of counts makes it differ on some models (`planTargetSaving` in `plan.ts` passes the exact ones).
   * @throws {BurgeonError} ERR_BURGEON_CONFIG if the target cannot be reached.
   */
  static forTargetSaving(
    target: number,
    totalSteps: number,
    stageSavings: readonly [number, number] = [0.75, 0.5],
  ): Schedule {
    requireInteger('steps', totalSteps, 1);
    requireReadable('stage savings', stageSavings);
    if (!Array.isArray(stageSavings) || !stageSavings.every((saving) => saving > 0 && saving < 1)) {
      fail(`stage savings: expected two shares between 0 and 1, received ${show(stageSavings)}`);
    }
    const [first, second, last] = schedulePresets['est-gpt2'].stages;
    const share = first.endFraction / second.endFraction;
    const most = share * stageSavings[0] + (1 - share) * stageSavings[1];
    if (typeof target !== 'number' || !(target >= 0 && target <= most)) {
      fail(
        `target saving: expected a share of the block FLOPs from 0 to ${most.toFixed(4)} (both sampled stages filling ` +
          `the whole run), received ${show(target)}; use lower rates in stages of your own to save more`,
      );
    }
    const sampledFraction = target / most;
    const firstEnd = Math.floor(sampledFraction * share * totalSteps + 0.5);
    // What rounding the first end to whole steps gained or lost, the second makes good.
    const secondLength = (target * totalSteps - firstEnd * stageSavings[0]) / stageSavings[1];
    const secondEnd = Math.min(totalSteps, firstEnd + Math.max(0, Math.floor(secondLength + 0.5)));
    const ends = [firstEnd, secondEnd, totalSteps];
    const stages: StageConfig[] = [first, second, last].map(({ endFraction: _, ...rates }, i) => ({
      endStep: ends[i]!,
      ...rates,
    }));
    return new Schedule(
      stages.filter((stage, i) => stage.endStep! > (ends[i - 1] ?? 0)),
      totalSteps,
    );
  }
}

function definition(name: ScheduleName): readonly StageConfig[] {
  if (!Object.hasOwn(schedulePresets, name)) {
    fail(`schedule: expected ${scheduleNames.join(', ')} or a list of stages, received ${show(name)}`);
  }
  return schedulePresets[name].stages;
}

const stageKeys = [
  ...['endStep', 'endFraction', ...dimensionNames, 'choose', 'rescale', 'keepFirst', 'keepLast'],
  ...['groupsPerStep', 'batchSize', 'transition'],
];

/** Keys and kinds of values; what they mean together is checked where they are resolved. */
function checkStage(stage: StageConfig, name: string): void {
  if (typeof stage !== 'object' || stage === null || Array.isArray(stage)) {
    fail(`${name}: expected an object, received ${show(stage)}`);
  }
  const unknown = Object.keys(stage).find((key) => !stageKeys.includes(key));
  if (unknown !== undefined) {
    fail(`${name}: ${unknown}: unknown key${nearestHint(unknown, stageKeys)}`);
  }
  const { keepFirst = 0, keepLast = 0, batchSize = 1, groupsPerStep = 'auto', rescale = true } = stage;
  const isCount = (value: unknown, least: number) => Number.isSafeInteger(value) && (value as number) >= least;
  for (const [key, value, isRight, expected] of [
    ['keepFirst', keepFirst, isCount(keepFirst, 0), 'an integer of at least 0'],
    ['keepLast', keepLast, isCount(keepLast, 0), 'an integer of at least 0'],
    ['batchSize', batchSize, isCount(batchSize, 1), 'an integer of at least 1'],
    [
      ...(['groupsPerStep', groupsPerStep] as const),
      isCount(groupsPerStep, 1) || groupsPerStep === 'auto' || groupsPerStep === 'sequence',
      'an integer of at least 1, auto or sequence',
    ],
    ['rescale', rescale, typeof rescale === 'boolean', 'true or false'],
  ] as const) {
    if (!isRight) fail(`${name}: expected ${key} to be ${expected}, received ${show(value)}`);
  }
}

function resolveStages(stages: readonly StageConfig[], totalSteps: number): ResolvedStage[] {
  requireReadable('schedule', stages);
  if (!Array.isArray(stages)) {
    fail(`schedule: expected ${scheduleNames.join(', ')} or a list of stages, received ${show(stages)}`);
  }
  if (stages.length === 0) fail('schedule: expected at least one stage, received an empty list');
  let previous: { end: number; endFraction?: number } = { end: 0 };
  let startStep = 0;
  return stages.map((stage, index) => {
    const name = `stage ${index + 1} of ${stages.length} of the schedule`;
    checkStage(stage, name);
    const end = exactEnd(stage, name, index === stages.length - 1, totalSteps);
    // Compared before rounding: a mistake stays a mistake however long the run is, while a short run may round a good
    // stage to nothing.
    const { endFraction } = stage;
    const isLater =
      endFraction !== undefined && previous.endFraction !== undefined
        ? endFraction > previous.endFraction
        : end > previous.end;
    if (!isLater) {
      fail(
        `${name}: expected to end after step ${decimal(previous.end)}, where it starts, received ${decimal(end)}; order stages by end`,
      );
    }
    const endStep = Math.floor(end + 0.5);
    const ratesFrom = rateSet(stage, 0, name);
    const ratesTo = isRamped(stage) ? rateSet(stage, 1, name) : ratesFrom;
    const { rescale, keepFirst, keepLast, groupsPerStep, batchSize } = stage;
    const choose = choiceOf(stage, name);
    const options = withoutUndefined({ choose, rescale, keepFirst, keepLast, groupsPerStep, batchSize });
    const transition = transitionOf(stage, name, index === 0);
    const resolved = { index, startStep, endStep, ratesFrom, ratesTo, options, ...(transition && { transition }) };
    previous = { end, ...(endFraction === undefined ? {} : { endFraction }) };
    startStep = endStep;
    return resolved;
  });
}

function choiceOf({ choose }: StageConfig, name: string): StageSampling['choose'] {
  if (choose === undefined) return undefined;
  if (typeof choose !== 'string') {
    checkChoice(choose, `${name}: choose`);
    return { ...choose };
  }
  if (choices.includes(choose)) return { heads: choose, neurons: choose, layers: choose };
  fail(`${name}: expected to choose ${choices.join(' or ')}, received ${show(choose)}`);
}

function transitionOf({ transition }: StageConfig, name: string, isFirst: boolean): Transition | undefined {
  if (transition === undefined) return undefined;
  if (isFirst) fail(`${name}: expected no transition, because nothing was trained before it; leave it out`);
  return readTransition(transition, name);
}

/** The end of a stage in steps, not yet rounded. */
function exactEnd(stage: StageConfig, name: string, isLast: boolean, totalSteps: number): number {
  const { endStep, endFraction } = stage;
  if (endStep !== undefined && endFraction !== undefined) {
    fail(`${name}: expected endStep or endFraction, received both (${show(endStep)}, ${show(endFraction)})`);
  }
  if (endStep !== undefined && !(Number.isSafeInteger(endStep) && endStep >= 1 && endStep <= totalSteps)) {
    fail(
      `${name}: expected endStep to be an integer from 1 to the run's ${counted(totalSteps, 'step')}, received ${show(endStep)}`,
    );
  }
  if (endFraction !== undefined && !(typeof endFraction === 'number' && endFraction > 0 && endFraction <= 1)) {
    fail(`${name}: expected endFraction above 0 and at most 1, received ${show(endFraction)}`);
  }
  const end = endStep ?? (endFraction === undefined ? undefined : endFraction * totalSteps);
  if (!isLast) {
    return end ?? fail(`${name}: expected endStep or endFraction, received neither; only the last stage may omit it`);
  }
  if (end !== undefined && end !== totalSteps) {
    fail(
      `${name}: the last stage ends with the run, at step ${totalSteps}, received ${endStep ?? `fraction ${endFraction}`}; ` +
        'leave its end out',
    );
  }
  return totalSteps;
}

/** The rates at the start (side 0) or end (side 1) of a stage. */
function rateSet(stage: StageConfig, side: 0 | 1, name: string): Rates {
  const rates: Rates = { heads: 1, neurons: 1, layers: 1 };
  for (const dimension of dimensionNames) {
    const { [dimension]: rate = 1 } = stage;
    if (!isStageRate(rate)) {
      fail(
        `${name}: expected ${dimension} to be a rate above 0 and at most 1 (a share, no number of units), {perLayer: [...]}, or a pair [from, to] of ` +
          `rates, received ${show(rate)}`,
      );
    }
    rates[dimension] = isRate(rate) ? rate : rate[side];
    if (!isRate(rate) && !canMix(...rate)) {
      fail(`${name}: expected ${dimension} to ramp between lists of one length, received ${show(rate)}`);
    }
  }
  return rates;
}

function isRamped(stage: StageConfig): boolean {
  return dimensionNames.some((dimension) => Array.isArray(stage[dimension]));
}

/** Linear between the first and the last step of the stage; both ends are exact. A stage of one step has its first. */
function ratesWithin({ startStep, endStep, ratesFrom, ratesTo }: ResolvedStage, step: number): Rates {
  const lastOffset = endStep - startStep - 1;
  if (ratesFrom === ratesTo || lastOffset === 0) return ratesFrom;
  const fraction = (step - startStep) / lastOffset;
  return {
    heads: mixRates(ratesFrom.heads, ratesTo.heads, fraction),
    neurons: mixRates(ratesFrom.neurons, ratesTo.neurons, fraction),
    layers: mixRates(ratesFrom.layers, ratesTo.layers, fraction),
  };
}

/** Whether a value is a rate or a pair of them. */
export function isStageRate(value: unknown): value is StageRate {
  return isRate(value) || (Array.isArray(value) && value.length === 2 && value.every(isRate));
}

/** A step or fraction of steps, short enough for a message. */
function decimal(step: number): string {
  return String(Number(step.toFixed(2)));
}

function areFull(rates: Rates): boolean {
  return dimensionNames.every((dimension) => isFull(rates[dimension]));
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message);
}
