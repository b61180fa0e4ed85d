// What live servers tell their pages. Types only.

import type { MetricsLine } from '../train/metrics.ts';
import type { UnitShares } from '../train/unit-usage.ts';
import type { RunData, StageRow } from './run-data.ts';

export interface LiveProgress {
  state: 'running' | 'pausing' | 'paused' | 'stopping' | 'complete' | 'stopped' | 'failed';
  step: number;
  steps: number;
  /** Time to the end at the pace of this process; null before the first step. */
  etaMs: number | null;
}

export type LiveEvent =
  | { kind: 'history'; run: RunData; progress: LiveProgress; stages?: undefined; units?: LiveUnits | undefined }
  | {
      kind: 'news';
      lines: MetricsLine[];
      progress: LiveProgress;
      /** Where totals came. */
      stages?: StageRow[] | undefined;
      units?: LiveUnits | undefined;
    };

/** Shares of the units over all steps so far. */
export interface LiveUnits {
  step: number;
  units: { step: UnitShares; run: UnitShares };
}

/** A run in the list of the dashboard. */
export interface RunOverview {
  /** Its path in the directory, with /. */
  name: string;
  /** running: a process holds its lock. */
  state: 'running' | 'complete' | 'failed' | 'stopped';
  /** Why it failed, or stopped without a word. */
  reason: string | null;
  step: number;
  /** null before its first line. */
  steps: number | null;
  /** Of the newest step, nats per token. */
  loss: number | null;
  heldOut: number | null;
  bestHeldOut: number | null;
  /** Of a run that is going on: time to its end at its pace so far. */
  etaMs: number | null;
  /** Shares of all FLOPs left out: so far, and in the whole run by its plan. */
  saved: number | null;
  plannedSaving: number | null;
  /** Of its newest line, milliseconds since 1970. */
  changed: number;
}

/** All runs of a directory, whenever one of them has changed. */
export interface DashboardEvent {
  kind: 'runs';
  directory: string;
  runs: RunOverview[];
}
