// Does training a part first pay? Runs the sweep of one task (bench/growth/<task>.yaml), after preparing its data of a
// text that is always the same (growth-text.ts), and keeps the losses of all runs with the ranked table and the compute
// gain. Resumable: complete runs are not repeated, and runs that an earlier call kept in bench/results stay in the table.
// Everything is done by commands that a user could type.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { describeMachine } from '../lib/bench/machine.ts';
import { chooseThreads } from '../lib/model/native-options.ts';
import { rankGroups } from '../lib/sweep/rank.ts';
import type { RunRecord, SweepRecord } from '../lib/sweep/sweep-record.ts';
import { ensureGrowthText } from './growth-text.ts';
import { readResults, saveResults } from './harness/results.ts';

const root = path.join(import.meta.dirname, '..');
const tasks = path.join(import.meta.dirname, 'growth');
const text = path.join(root, 'data', 'growth', 'text.txt');

/** Of the text, for the task with limited data: 2 million characters for training, a ninth of that held out. */
const limitedBytes = 2_222_222;

/** How the data of a task are prepared, by the last part of their directory. */
const preparations: Record<string, (directory: string) => string[][]> = {
  chars: (directory) => [['prepare', text, '-o', directory, '-t', 'chars']],
  'chars-2m': (directory) => {
    const beginning = path.join(root, `${directory}.txt`);
    mkdirSync(path.dirname(beginning), { recursive: true });
    writeFileSync(beginning, readFileSync(text).subarray(0, limitedBytes));
    return [['prepare', beginning, '-o', directory, '-t', 'chars']];
  },
  bpe: (directory) => [
    ['tokenizer', 'train', text, '--vocab-size', '8000', '-o', `${directory}-tokenizer`],
    ['prepare', text, '-o', directory, '-t', `${directory}-tokenizer`],
  ],
};

/** A run as it is kept: what it was, what it came to, and which version computed it. */
interface KeptRun extends Pick<RunRecord, 'name' | 'steps' | 'parameters'> {
  result: NonNullable<RunRecord['result']>;
  commit: string | null;
}

/** @param options of `burgeon sweep`, such as `--only stack-4`, `--seed 1`, `--parallel 2`. */
export async function benchGrowth(task: string, options: readonly string[]): Promise<void> {
  const file = path.join(tasks, `${task}.yaml`);
  if (!existsSync(file)) {
    const names = (await readdir(tasks)).map((name) => path.parse(name).name);
    throw new Error(`growth: expected one of ${names.join(', ')}, received ${task}`);
  }
  const { base, output } = parse(await readFile(file, 'utf8'));
  const directory: string = base.data.directory;
  if (!existsSync(path.join(root, directory, 'manifest.json'))) {
    ensureGrowthText(text);
    for (const args of preparations[path.basename(directory)]!(directory)) burgeon(args);
  }
  const isParallel = options.some((option) => option.startsWith('--parallel'));
  const status = burgeon(['sweep', file, ...(isParallel ? [] : ['--parallel', '1']), ...options], true);
  process.exitCode = status;
  const recordFile = path.join(root, output, 'sweep.json');
  // A dry run, or one that was refused, has nothing to keep.
  if (options.includes('--dry-run') || !existsSync(recordFile)) return;
  const record = JSON.parse(await readFile(recordFile, 'utf8')) as SweepRecord;
  const machine = await describeMachine({ device: 'cpu', threads: chooseThreads() });

  const earlier = (await readResults(`growth-${task}`)) as { runs: KeptRun[] } | undefined;
  const kept = record.runs.flatMap((run): KeptRun[] => {
    const { name, steps, parameters, result } = run;
    const before = earlier?.runs.find((other) => isSameRun(other, run));
    if (result === null) return before ? [before] : [];
    // Beside other runs, seconds say nothing.
    if (before?.result.loss === result.loss && (isParallel || before.result.seconds !== null)) return [before];
    return [
      { name, steps, parameters, result: isParallel ? { ...result, seconds: null } : result, commit: machine.commit },
    ];
  });
  const runs = record.runs.map((run): RunRecord => {
    const { result } = kept.find(({ name }) => name === run.name) ?? run;
    return result === null ? run : { ...run, state: 'complete', result };
  });
  const groups = rankGroups(runs).map(({ directories: _, ...group }) => group);
  await saveResults(`growth-${task}`, machine, { groups, runs: kept });
}

/** As far as what is kept of a run tells. */
function isSameRun(kept: KeptRun, { name, steps, parameters, planned }: RunRecord): boolean {
  const { blockFlops, allFlops } = kept.result;
  return (
    kept.name === name &&
    kept.steps === steps &&
    kept.parameters === parameters &&
    isNear(blockFlops, planned.blockFlops) &&
    isNear(allFlops, planned.allFlops)
  );
}

/** Where layers are active by chance, what was executed is planned in the mean only. */
function isNear(executed: number, planned: number): boolean {
  return Math.abs(executed / planned - 1) < 0.02;
}

/** @returns the exit status, where failure is allowed. */
function burgeon(args: string[], mayFail = false): number {
  const { status } = spawnSync(process.execPath, [path.join(root, 'dist', 'cli', 'main.js'), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0 && !mayFail) process.exit(status ?? 1);
  return status ?? 1;
}
