// What is put into the page: the report's runs, or word that they come from the live server. Types only.

import type { Comparison } from './compare-runs.ts';
import type { RunData } from './run-data.ts';

export interface ReportData {
  kind: 'report';
  runs: RunData[];
  /** Places of the runs of each configuration. */
  groups: number[][];
  /** Of several runs, where they can be compared. */
  comparison: Comparison | null;
  /** Why several runs are not compared. */
  notCompared: string | null;
  /** When the report was written, ISO 8601. */
  written: string;
}

/** The page brings nothing of the run: that comes to those who have the token. */
export interface LiveData {
  kind: 'live';
}

/** Of many runs; at its address the list, at /run/NAME the run, and at /compare/NAME&NAME chosen ones, against the first. */
export interface DashboardData {
  kind: 'dashboard';
}

export type PageData = ReportData | LiveData | DashboardData;
