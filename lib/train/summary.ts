// What a run achieved, in numbers: for the end of `burgeon train`, for reports and for programs.

import { type RunFlops, runFlops } from '../est/flops.ts';
import { bitsPerByte, type DataDescription } from './describe-data.ts';
import type { RunState, StageTotals } from './run-state.ts';

export interface RunSummary extends RunFlops {
  steps: number;
  tokens: number;
  initialValidationLoss: number | null;
  validationLoss: number | null;
  /** The same in bits per UTF-8 byte of the validation text; null without a tokenizer. */
  bitsPerByte: number | null;
  /** Loss of a bigram model fitted on the training data, on the same validation windows. */
  bigramLoss: number | null;
  bestStep: number | null;
  stages: StageTotals[];
  /** Wall-clock milliseconds of all training steps. */
  trainMs: number;
  /** Mean milliseconds of the steps that left nothing out; null when there were none. */
  denseStepMs: number | null;
  /** Share of wall-clock time saved against all steps at the dense rate measured in this run; null without one. */
  timeSaving: number | null;
}

/** @param data what the losses are measured on. */
export function summarise(state: RunState, bigramLoss: number | null, data?: DataDescription): RunSummary {
  const total = (key: Exclude<keyof StageTotals, 'stage'>) => state.stages.reduce((sum, stage) => sum + stage[key], 0);
  const denseStepMs = total('denseSteps') > 0 ? total('denseMs') / total('denseSteps') : null;
  const trainMs = total('ms');
  const steps = total('steps');
  return {
    steps: state.step,
    tokens: state.tokens,
    initialValidationLoss: state.initialValidationLoss,
    validationLoss: state.lastValidationLoss,
    bitsPerByte: bitsPerByte(state.lastValidationLoss, data),
    bigramLoss,
    bestStep: state.best?.step ?? null,
    stages: state.stages,
    ...runFlops({
      blockFlops: total('blockFlops'),
      allFlops: total('allFlops'),
      denseBlockFlops: total('denseBlockFlops'),
      denseAllFlops: total('denseAllFlops'),
    }),
    trainMs,
    denseStepMs,
    timeSaving: denseStepMs === null ? null : 1 - trainMs / (steps * denseStepMs),
  };
}
