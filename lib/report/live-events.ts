// What the live server tells the page. Types only.

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
