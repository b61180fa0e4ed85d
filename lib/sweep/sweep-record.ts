// A sweep as data: `--json`, and sweep.json in its output, written anew whenever a run is done.

import path from 'node:path';
import { replaceFile } from '../files/replace-file.ts';
import { type RankedGroup, type RankedRun, rankGroups } from './rank.ts';
import type { Outcome } from './run-status.ts';

/** In the sweep's output. */
export const sweepRecordName = 'sweep.json';

export interface RunRecord extends RankedRun {
  parameters: number;
  planned: { blockFlops: number; allFlops: number };
  /** Why it failed, or how the run in its directory differs. */
  reason: string | null;
}

export interface SweepRecord {
  /** The sweep file. */
  file: string;
  output: string;
  /** ISO 8601. */
  written: string;
  runs: RunRecord[];
  ranking: RankedGroup[];
}

export function sweepRecord(
  { file, output }: { file: string; output: string },
  outcomes: readonly Outcome[],
): SweepRecord {
  const runs = outcomes.map(
    ({ run, status }): RunRecord => ({
      name: run.name,
      group: run.group,
      variant: run.variant,
      values: run.values,
      seed: run.seed,
      isBaseline: run.isBaseline,
      directory: run.directory,
      state: status.state,
      steps: run.config.steps,
      parameters: run.parameters,
      planned: { blockFlops: run.plan.blockFlops, allFlops: run.plan.allFlops },
      result: status.state === 'complete' ? status.result : null,
      reason: 'reason' in status ? status.reason : null,
    }),
  );
  return { file, output, written: new Date().toISOString(), runs, ranking: rankGroups(runs) };
}

export async function writeSweepRecord(record: SweepRecord): Promise<void> {
  await replaceFile(
    path.join(record.output, sweepRecordName),
    `${JSON.stringify(record, null, 2)}\n`,
    'the record of the sweep',
  );
}
