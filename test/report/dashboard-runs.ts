// A directory of runs for tests of the dashboard: metrics written as a trainer writes them, locks held or not.

import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { claimLock } from '../../lib/files/lock-file.ts';
import type { EndLine, MetricsLine } from '../../lib/train/metrics.ts';
import { runLockName } from '../../lib/train/run-directory.ts';
import { startLine, stepLine, textOf, validationLine } from './metrics-lines.ts';

export interface TestRun {
  directory: string;
  file: string;
  /** Appends lines. */
  write(...lines: MetricsLine[]): Promise<void>;
  /** Holds its lock until the returned function is called, as a process that trains there. */
  hold(): Promise<() => Promise<void>>;
}

/** A run in a directory, which has these lines so far. */
export async function testRun(root: string, name: string, lines: readonly MetricsLine[] = []): Promise<TestRun> {
  const directory = path.join(root, name);
  const file = path.join(directory, 'metrics.jsonl');
  await mkdir(directory, { recursive: true });
  if (lines.length > 0) await writeFile(file, textOf(lines));
  return {
    directory,
    file,
    write: (...more) => appendFile(file, textOf(more)),
    async hold() {
      const lock = await claimLock({ lock: path.join(directory, runLockName), subject: name, activity: 'trains' });
      let isHeld = true;
      const release = async () => {
        if (isHeld) await lock.release();
        isHeld = false;
      };
      onTestFinished(release);
      return release;
    },
  };
}

/** Steps of a range. */
export const stepsOf = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => stepLine(from + i, 3 - (from + i) / 100));

/** The end of a run; of its summary nobody here wants anything. */
export const endLine = (step: number, state: EndLine['state']): MetricsLine =>
  ({ kind: 'end', step, time: '2026-01-02T03:05:05.000Z', state, summary: {} }) as unknown as MetricsLine;

/** A run of so many steps, of which so many are done. */
export const linesOfRun = (steps: number, done = steps): MetricsLine[] => [
  startLine({ steps }),
  validationLine(0, 4.1),
  ...stepsOf(1, done),
  ...(done === steps ? [validationLine(steps, 2.5), endLine(steps, 'complete')] : []),
];
