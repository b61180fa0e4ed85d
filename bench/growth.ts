// Does training a part first pay? Runs the sweep of one task (bench/growth/<task>.yaml), after preparing its data of a
// large text, and keeps the ranked table with the compute gain. Resumable: complete runs are not repeated. Everything is
// done by commands that a user could type.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { describeMachine } from '../lib/bench/machine.ts';
import { chooseThreads } from '../lib/model/native-options.ts';
import type { SweepRecord } from '../lib/sweep/sweep-record.ts';
import { saveResults } from './harness/results.ts';

const root = path.join(import.meta.dirname, '..');
const tasks = path.join(import.meta.dirname, 'growth');

/** How the data of a task are prepared, by the last part of their directory. */
const preparations: Record<string, (text: string, directory: string) => string[][]> = {
  chars: (text, directory) => [['prepare', text, '-o', directory, '-t', 'chars']],
  bpe: (text, directory) => [
    ['tokenizer', 'train', text, '--vocab-size', '8000', '-o', `${directory}-tokenizer`],
    ['prepare', text, '-o', directory, '-t', `${directory}-tokenizer`],
  ],
};

export async function benchGrowth(task: string, text: string): Promise<void> {
  const file = path.join(tasks, `${task}.yaml`);
  if (!existsSync(file)) {
    const names = (await readdir(tasks)).map((name) => path.parse(name).name);
    throw new Error(`growth: expected one of ${names.join(', ')}, received ${task}`);
  }
  const { base, output } = parse(await readFile(file, 'utf8'));
  const directory: string = base.data.directory;
  if (!existsSync(path.join(root, directory, 'manifest.json'))) {
    const prepare = preparations[path.basename(directory)]!;
    for (const args of prepare(path.resolve(text), directory)) burgeon(args);
  }
  const status = burgeon(['sweep', file, '--parallel', '1'], true);
  const { ranking, runs } = JSON.parse(await readFile(path.join(root, output, 'sweep.json'), 'utf8')) as SweepRecord;
  const groups = ranking.map(({ directories: _, ...group }) => group);
  const losses = runs.map(({ name, steps, parameters, result }) => ({ name, steps, parameters, ...result }));
  await saveResults(`growth-${task}`, await describeMachine({ device: 'cpu', threads: chooseThreads() }), {
    groups,
    runs: losses,
  });
  process.exitCode = status;
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
