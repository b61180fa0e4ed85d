// Whole runs for tests of what compares them: of the lines that a trainer writes, in memory.

import { addLine } from '../../lib/report/add-line.ts';
import { axes, emptyColumns, type RunData, stepColumns } from '../../lib/report/run-data.ts';
import type { DataDescription } from '../../lib/train/describe-data.ts';
import type { StartLine } from '../../lib/train/metrics.ts';
import { dataDescription, startLine, validationLine } from './metrics-lines.ts';

export interface RunOptions {
  /** FLOPs of a step, of which blocks take four fifths. */
  flops?: number;
  seconds?: number;
  /** Steps between evaluations. */
  every?: number;
  /** undefined: as written by earlier versions. */
  described?: Partial<DataDescription> | undefined;
  start?: Partial<StartLine>;
  /** Keys of the configuration. */
  [key: string]: unknown;
}

/** A run with these losses at steps 0, every, 2 every ... */
export function runOf(name: string, losses: readonly number[], options: RunOptions = {}): RunData {
  const { flops = 1e6, seconds = 0.01, every = 10, described = {}, start = {}, ...config } = options;
  const run = {
    name,
    directory: `runs/${name}`,
    starts: [] as object[],
    changes: [] as object[],
    steps: emptyColumns(stepColumns),
    validation: emptyColumns([...axes, 'loss']),
    step: 0,
  } as RunData;
  const { data: _, ...line } = startLine(config);
  const isOld = 'described' in options && options.described === undefined;
  addLine(run, { ...line, ...(isOld ? {} : { data: dataDescription(described) }), ...start });
  losses.forEach((loss, i) => {
    const step = every * i;
    const spent = { executedBlockFlops: 0.8 * flops * step, executedFlops: flops * step, trainSeconds: seconds * step };
    addLine(run, validationLine(step, loss, spent));
  });
  return run;
}

/** A complete run: it begins at 4.2 and has done its steps at the given loss. */
export function completeRun(name: string, steps: number, loss: number, options: RunOptions = {}): RunData {
  return runOf(name, [4.2, loss], { steps, every: steps, ...options });
}
