// What a checkpoint remembers of a run besides weights and moments, and who may go on with it.

import { BurgeonError } from '../errors.ts';
import { type ConfigChange, type Continuation, continueConfig, type WantedConfig } from './config-changes.ts';
import { continueData, type DataRecord, type FoundData } from './data-record.ts';
import type { TrainConfig } from './train-config.ts';
import type { UnitSums } from './unit-usage.ts';

/** Sums over the steps of one stage. */
export interface StageTotals {
  /** From 1. */
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

/** The checkpoint with the lowest validation loss. */
export interface BestCheckpoint {
  step: number;
  loss: number;
  /** SHA-256 of the validation targets; absent in checkpoints of earlier versions. */
  evaluatedOn?: string | undefined;
}

export interface RunState {
  version: 1;
  /** Completed steps. */
  step: number;
  tokens: number;
  /** In force: with all changes. */
  config: TrainConfig;
  /** Keys whose values were changed on the way, in order. Checkpoints of earlier versions have none. */
  changes: ConfigChange[];
  /** What it computes in; absent in checkpoints of earlier versions. */
  precision?: string;
  /** Tokens of the training data: another number means other data. */
  trainTokens: number;
  /** Which tokens these are; absent in checkpoints of earlier versions. */
  data?: DataRecord;
  initialValidationLoss: number | null;
  lastValidationLoss: number | null;
  best: BestCheckpoint | null;
  stages: StageTotals[];
  /** How often each unit was trained; absent in checkpoints of earlier versions. */
  units?: UnitSums;
}

export function newRunState(config: TrainConfig, { train, validation }: Omit<FoundData, 'usedWithin'>): RunState {
  return {
    version: 1,
    step: 0,
    tokens: 0,
    config,
    changes: [],
    trainTokens: train.tokens,
    data: { windows: 'across', train, validation },
    initialValidationLoss: null,
    lastValidationLoss: null,
    best: null,
    stages: [],
  };
}

/** A checkpoint's state, and what it is of. */
export interface SavedRun {
  directory: string;
  state: Readonly<Record<string, unknown>>;
  vocabSize: number;
}

/** What the run is to go on with. */
export interface WantedRun extends Omit<WantedConfig, 'precision'> {
  data: FoundData;
  /** What a configuration computes in on this machine. */
  precisionOf(config: TrainConfig): string;
}

/**
 * Checks that a state belongs to this run, or to one that it may become.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for a state of another version, ERR_BURGEON_CONFIG listing every key that
 *   differs and may not, ERR_BURGEON_DATA when the training data are not the same.
 */
export function continueRunState(
  saved: SavedRun,
  wanted: WantedRun,
): Continuation & { state: RunState; notes: string[] } {
  const { directory, vocabSize } = saved;
  if (saved.state.version !== 1) {
    throw new BurgeonError(
      'ERR_BURGEON_CHECKPOINT',
      `${directory}: expected a run state of version 1, found ${JSON.stringify(saved.state.version)}; it was written by another version of burgeon`,
    );
  }
  const state = saved.state as unknown as RunState;
  const { precisionOf } = wanted;
  const { step, changes = [], precision = precisionOf(state.config) } = state;
  const run = { directory, step, config: { ...state.config }, changes, precision, vocabSize };
  const continuation = continueConfig(run, { ...wanted, precision: precisionOf(wanted.config) });
  const { data, notes } = continueData(directory, state, wanted.data);
  const { config, made } = continuation;
  return { ...continuation, notes, state: { ...state, config, changes: [...changes, ...made], precision, data } };
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
