// What a checkpoint remembers of a run besides weights and moments, and the rules for continuing it.

import type { TrainConfig } from '../config/train-config.ts';
import { BurgeonError } from '../errors.ts';
import type { UnitSums } from './unit-usage.ts';

/** Sums over the steps of one stage. */
export interface StageTotals {
  /** 1-based. */
  stage: number;
  steps: number;
  /** Wall-clock milliseconds of training steps. */
  ms: number;
  blockFlops: number;
  allFlops: number;
  denseBlockFlops: number;
  denseAllFlops: number;
  /** Steps of this stage at which nothing was left out, and their time: the dense rate of this machine. */
  denseSteps: number;
  denseMs: number;
}

export interface RunState {
  version: 1;
  /** Completed steps. */
  step: number;
  tokens: number;
  config: TrainConfig;
  /** Tokens of the training data: another number means other data. */
  trainTokens: number;
  initialValidationLoss: number | null;
  lastValidationLoss: number | null;
  /** The checkpoint with the lowest validation loss. */
  best: { step: number; loss: number } | null;
  stages: StageTotals[];
  /** How often each unit was trained; absent in checkpoints of earlier versions. */
  units?: UnitSums;
}

export function newRunState(config: TrainConfig, trainTokens: number): RunState {
  return {
    version: 1,
    step: 0,
    tokens: 0,
    config,
    trainTokens,
    initialValidationLoss: null,
    lastValidationLoss: null,
    best: null,
    stages: [],
  };
}

/** Keys that decide what is trained; the others (evaluation, checkpoints, threads ...) may change when it is resumed. */
const decidingKeys = [
  'model',
  'initFrom',
  'seed',
  'steps',
  'batchSize',
  'sequenceLength',
  'accumulationSteps',
  'est',
  'optimizer',
  'precision',
] as const;

/**
 * Checks that a state belongs to this run.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for a state of another version, ERR_BURGEON_CONFIG listing every key that
 *   differs, ERR_BURGEON_DATA when the training data are not the same.
 */
export function continueRunState(
  found: Readonly<Record<string, unknown>>,
  config: TrainConfig,
  trainTokens: number,
  directory: string,
): RunState {
  if (found.version !== 1) {
    throw new BurgeonError(
      'ERR_BURGEON_CHECKPOINT',
      `${directory}: expected a run state of version 1, found ${JSON.stringify(found.version)}; it was written by another version of burgeon`,
    );
  }
  const state = found as unknown as RunState;
  const differences = decidingKeys.flatMap((key) => differencesBetween(key, state.config[key], config[key]));
  if (differences.length > 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `cannot resume ${directory} with another configuration:\n  ${differences.join('\n  ')}\nuse the run's own values, or start a new run with another output`,
    );
  }
  if (state.trainTokens !== trainTokens) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `cannot resume ${directory} with other training data: expected ${state.trainTokens} tokens, found ${trainTokens}`,
    );
  }
  return { ...state, config };
}

function differencesBetween(key: string, before: unknown, now: unknown): string[] {
  if (isSection(before) && isSection(now)) {
    return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) =>
      differencesBetween(`${key}.${name}`, before[name], now[name]),
    );
  }
  const [a, b] = [JSON.stringify(before), JSON.stringify(now)];
  return a === b ? [] : [`${key}: the run has ${a ?? 'nothing'}, the configuration ${b ?? 'nothing'}`];
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Adds a step to the totals of its stage. */
export function addToTotals(
  stages: StageTotals[],
  step: Omit<StageTotals, 'steps' | 'denseSteps' | 'denseMs'> & { isDense: boolean },
) {
  let totals = stages.find(({ stage }) => stage === step.stage);
  if (totals === undefined) {
    totals = {
      stage: step.stage,
      steps: 0,
      ms: 0,
      blockFlops: 0,
      allFlops: 0,
      denseBlockFlops: 0,
      denseAllFlops: 0,
      denseSteps: 0,
      denseMs: 0,
    };
    stages.push(totals);
  }
  totals.steps++;
  totals.ms += step.ms;
  totals.blockFlops += step.blockFlops;
  totals.allFlops += step.allFlops;
  totals.denseBlockFlops += step.denseBlockFlops;
  totals.denseAllFlops += step.denseAllFlops;
  if (step.isDense) {
    totals.denseSteps++;
    totals.denseMs += step.ms;
  }
}

/** What a run has cost so far: FLOPs of attention and MLP of the layers, all FLOPs, and seconds of training. */
export interface Spent {
  executedBlockFlops: number;
  executedFlops: number;
  trainSeconds: number;
}

/** What the run has cost so far. */
export function spentBy({ stages }: RunState): Spent {
  const total = (key: 'blockFlops' | 'allFlops' | 'ms') => stages.reduce((sum, stage) => sum + stage[key], 0);
  return {
    executedBlockFlops: total('blockFlops'),
    executedFlops: total('allFlops'),
    trainSeconds: total('ms') / 1000,
  };
}
