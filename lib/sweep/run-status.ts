// How far a run of a sweep is, read from its directory: what is left of it after anything that may have happened.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { latestCheckpoint, latestIntactCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { isSameData } from '../data/data-identity.ts';
import { BurgeonError } from '../errors.ts';
import { readRun } from '../report/read-run.ts';
import type { RunData } from '../report/run-data.ts';
import { metricsFileName } from '../train/metrics.ts';
import { configDifferences, type PlannedRun, storedConfig } from './plan-runs.ts';

/** What a complete run came to. FLOPs and seconds are of its training steps. */
export interface RunResult {
  /** Held-out loss at the end, nats per token. */
  loss: number;
  blockFlops: number;
  allFlops: number;
  seconds: number;
  /** Threads it was computed with. */
  threads: number;
}

export type RunStatus =
  | { state: 'new' }
  /** Stopped or killed, or still running. `step`: what its newest checkpoint holds; 0 without one. */
  | { state: 'unfinished'; step: number }
  | { state: 'failed'; step: number; reason: string }
  | { state: 'complete'; result: RunResult }
  /** Its directory holds another run. */
  | { state: 'foreign'; reason: string };

/** A run and how far it is. */
export interface Outcome {
  run: PlannedRun;
  status: RunStatus;
}

export async function readStatus(run: PlannedRun): Promise<RunStatus> {
  const { latest, skipped } = await latestCheckpoint(run.directory);
  const hasCheckpoints = latest !== undefined || skipped.length > 0;
  if (!existsSync(path.join(run.directory, metricsFileName))) {
    return hasCheckpoints ? { state: 'foreign', reason: `checkpoints without ${metricsFileName}` } : { state: 'new' };
  }
  try {
    const data = await readRun(run.directory);
    // Killed before its first line was written.
    if (data.start === undefined && !hasCheckpoints) return { state: 'new' };
    const differences = differencesFrom(run, data);
    if (differences.length > 0) return { state: 'foreign', reason: differences.join('; ') };
    // Only what is to go on is read through; its newest checkpoint may be damaged.
    const intact = data.end?.state === 'complete' ? latest : (await latestIntactCheckpoint(run.directory)).latest;
    const step = intact?.step ?? 0;
    // A kill may come after the last checkpoint and before the word that the run is complete.
    const isComplete = data.end?.state === 'complete' || step === run.config.steps;
    const result = isComplete ? resultOf(run, data) : undefined;
    if (result !== undefined) return { state: 'complete', result };
    if (data.end?.state !== 'failed') return { state: 'unfinished', step };
    return { state: 'failed', step, reason: data.warnings.at(-1)?.text ?? 'no reason given' };
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    return { state: 'foreign', reason: `a run that cannot be read: ${error.message}` };
  }
}

function differencesFrom(run: PlannedRun, { start }: RunData): string[] {
  if (start === undefined) return [`${metricsFileName} does not say of what configuration`];
  const differences = configDifferences(storedConfig(start.config), run.config);
  const { tokens } = run.trainData;
  if (start.dataTokens !== tokens) {
    differences.push(`data: the run has ${start.dataTokens} tokens, the configuration ${tokens}`);
  } else if (start.data?.train && !isSameData(start.data.train, run.trainData)) {
    differences.push(`data: the run has as many tokens as the configuration (${tokens}), but not the same ones`);
  }
  return differences;
}

/** undefined where the metrics do not reach the end, as when they were damaged. */
function resultOf({ config }: PlannedRun, { validation, totals, start }: RunData): RunResult | undefined {
  const last = (column: 'step' | 'loss' | 'executedFlops' | 'trainSeconds') => validation[column].at(-1) ?? Number.NaN;
  if (last('step') !== config.steps || totals?.step !== config.steps || start === undefined) return undefined;
  return {
    loss: last('loss'),
    blockFlops: totals.stages.reduce((sum, { blockFlops }) => sum + blockFlops, 0),
    allFlops: last('executedFlops'),
    seconds: last('trainSeconds'),
    threads: start.threads,
  };
}
