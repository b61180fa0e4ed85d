// A run that may go on for ever, in memory of a fixed size: what the live server and the live page keep of it. Pure.

import type { MetricsLine } from '../train/metrics.ts';
import { addLine } from './add-line.ts';
import { halve, type RunData } from './run-data.ts';

/** Of each curve, twice as many as a report shows. */
const mostPoints = 4000;

/** The newest of samples, warnings and the like. */
const mostTexts = 200;

/** Adds a line, and lets go of what is too much. */
export function addBounded(run: RunData, line: MetricsLine): void {
  addLine(run, line);
  bound(run);
}

/** Of curves that are too long every second of the older points goes, of texts the oldest. */
export function bound(run: RunData): void {
  for (const columns of [run.steps, run.validation]) if (columns.step.length > mostPoints) halve(columns);
  for (const texts of [run.samples, run.warnings, run.checkpoints, run.changes, run.starts]) {
    if (texts.length > mostTexts) texts.splice(0, texts.length - mostTexts);
  }
}
