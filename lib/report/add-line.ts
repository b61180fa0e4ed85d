// One line of metrics more to what is known of a run: when a file is read, and when the live page has news. Pure.

import type { MetricsLine, StepLine } from '../train/metrics.ts';
import { pushRow, type RunData, validationRow } from './run-data.ts';

/** Adds a line to what is known of the run. */
export function addLine(run: RunData, line: MetricsLine): void {
  run.step = Math.max(run.step, line.step ?? 0);
  switch (line.kind) {
    case 'start':
      run.start = line;
      run.starts.push({ step: line.step, time: line.time });
      // Those of this step follow, again if the run went on from it before.
      run.changes = run.changes.filter(({ step }) => step < line.step);
      run.state = 'unfinished';
      run.end = undefined;
      break;
    case 'step':
      pushRow(run.steps, stepRow(line));
      break;
    case 'validation':
      pushRow(run.validation, validationRow(line));
      break;
    case 'sample':
      run.samples.push(line);
      break;
    case 'totals':
      run.totals = line;
      break;
    case 'checkpoint':
      run.checkpoints.push(line);
      break;
    case 'change':
      run.changes.push(line);
      break;
    case 'warning':
      run.warnings.push(line);
      break;
    case 'end':
      run.end = line;
      run.state = line.state;
      break;
  }
}

export function stepRow({ active, ...line }: StepLine): Omit<StepLine, 'active'> & StepLine['active'] {
  return { ...line, ...active };
}
