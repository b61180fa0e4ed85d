// A run as a report or the live page shows it: columns of numbers, thinned for display, and what is told in words. Only
// types and tiny pure functions, because the page in the browser shares them.

import type {
  ChangeLine,
  CheckpointLine,
  EndLine,
  SampleLine,
  StartLine,
  TotalsLine,
  ValidationLine,
  WarningLine,
} from '../train/metrics.ts';

/** What a curve can be drawn over. */
export const axes = ['step', 'tokens', 'executedBlockFlops', 'executedFlops', 'trainSeconds'] as const;
export type Axis = (typeof axes)[number];

/** Numbers of a step line that are shown. */
export const stepColumns = [
  ...axes,
  'stage',
  'loss',
  'learningRate',
  'gradientNorm',
  'tokensPerSecond',
  'mfu',
  'rssBytes',
  'layers',
  'heads',
  'neurons',
] as const;
export type StepColumn = (typeof stepColumns)[number];

/** Equally long columns; null where a line lacks a number. */
export type Columns<Name extends string> = Record<Name, (number | null)[]>;

/** A stage as scheduled, and as it went. */
export interface StageRow {
  /** From 1. */
  stage: number;
  startStep: number;
  endStep: number;
  /** Active units at its first and last step. */
  active: { layers: [number, number]; heads: [number, number]; neurons: [number, number] };
  /** Which these are, and what new ones start from. */
  which: string;
  /** Share of the dense block FLOPs, by the plan. */
  plannedBlockRatio: number;
  /** Steps that have run. */
  steps: number;
  /** Share of the dense block FLOPs that was executed; null before the first step. */
  blockRatio: number | null;
  msPerStep: number | null;
  /** Time per step against that of steps that left nothing out, in this run; null without any. */
  timeRatio: number | null;
}

export type RunState = 'complete' | 'stopped' | 'failed' | 'unfinished';

export interface RunData {
  /** The directory's last name, or what tells it from the others. */
  name: string;
  directory: string;
  /** Of the newest process; undefined in files of earlier versions. */
  start: StartLine | undefined;
  /** When processes began, and at which step. */
  starts: { step: number; time: string }[];
  /** unfinished: running still, or killed. */
  state: RunState;
  /** Completed steps. */
  step: number;
  /** Step lines in the file; fewer are in `steps` when there are many. */
  stepLines: number;
  steps: Columns<StepColumn>;
  validation: Columns<Axis | 'loss'>;
  samples: SampleLine[];
  checkpoints: CheckpointLine[];
  warnings: WarningLine[];
  /** What of the file could not be read, one sentence each with its place; among the warnings too. */
  damage: string[];
  /** Values of the configuration that changed on the way. */
  changes: ChangeLine[];
  stages: StageRow[];
  /** Shares of the block FLOPs and of all FLOPs left out in the whole run, by the plan. */
  plannedSaving: { block: number; all: number } | null;
  totals: TotalsLine | undefined;
  end: EndLine | undefined;
}

/** A line of one step or evaluation, to the end of the columns. */
export function pushRow<Name extends string>(columns: Columns<Name>, row: Partial<Record<Name, unknown>>): void {
  for (const name in columns) {
    const value = row[name];
    columns[name].push(typeof value === 'number' && Number.isFinite(value) ? value : null);
  }
}

export function emptyColumns<Name extends string>(names: readonly Name[]): Columns<Name> {
  return Object.fromEntries(names.map((name) => [name, []])) as unknown as Columns<Name>;
}

/** A validation line as a row: its axes have the names that step lines have. */
export function validationRow(line: ValidationLine): Record<Axis | 'loss', number> {
  const { step, trainTokens, executedBlockFlops, executedFlops, trainSeconds, loss } = line;
  return { step, tokens: trainTokens, executedBlockFlops, executedFlops, trainSeconds, loss };
}

/** Drops every second row of the older half of the columns. */
export function halve<Name extends string>(columns: Columns<Name>): void {
  for (const name in columns) {
    const values = columns[name];
    const middle = Math.floor(values.length / 2);
    columns[name] = values.filter((_, i) => i >= middle || i % 2 === 0);
  }
}
