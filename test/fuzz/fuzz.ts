// `npm run test:fuzz -- [--minutes 2] [--seed 1] [--target name]`: hostile arguments and damaged files, in child processes
// whose heap, time and memory are limited. Prints every failure with what repeats it; not part of `npm test`.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { targets } from './targets.ts';

const trialsPerChild = 200;
/** A trial that takes so long hangs. */
const silentMs = 60_000;
const heapMb = 1500;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    first: { type: 'string', default: '0' },
  },
});
const seed = Number(values.seed);
const root = await mkdtemp(path.join(os.tmpdir(), 'burgeon-fuzz-'));

interface Tally {
  trials: number;
  failures: number;
}

/** Runs trials from `first` on; returns how many were run. */
async function runChild(name: string, first: number, onFailure: (trial: number, problem: string) => void) {
  const directory = path.join(root, String(first));
  await mkdir(directory, { recursive: true });
  const script = path.join(import.meta.dirname, 'child.ts');
  const args = ['--import', import.meta.resolve('tsx'), `--max-old-space-size=${heapMb}`, script];
  const options = { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] };
  const child = spawn(
    process.execPath,
    [...args, name, String(seed), String(first), String(trialsPerChild), directory],
    options,
  );
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors = (errors + data).slice(-4000);
  });
  const currentTrial = async () => Number(await readFile(path.join(directory, 'trial'), 'utf8').catch(() => first));
  let [seen, since, hangs] = [-1, Date.now(), false];
  const watch = setInterval(async () => {
    const current = await currentTrial();
    if (current !== seen) [seen, since] = [current, Date.now()];
    else if (Date.now() - since > silentMs) {
      hangs = true;
      child.kill('SIGKILL');
    }
  }, 1000);
  const status = await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  clearInterval(watch);
  for (const line of output.split('\n').filter((text) => text.startsWith('{'))) {
    const { trial, problem } = JSON.parse(line);
    onFailure(trial, problem);
  }
  const last = await currentTrial();
  await rm(directory, { recursive: true, force: true });
  if (status === 0) return trialsPerChild;
  onFailure(last, hangs ? `no end after ${silentMs / 1000} s` : `the process ended with ${status}: ${errors}`);
  return last - first + 1;
}

const names = values.target === undefined ? Object.keys(targets) : [values.target];
const end = Date.now() + 60_000 * Number(values.minutes);
const tallies = new Map<string, Tally>(names.map((name) => [name, { trials: 0, failures: 0 }]));
try {
  // In turn, so that every target has as many trials.
  do {
    for (const name of names) {
      const tally = tallies.get(name)!;
      tally.trials += await runChild(name, Number(values.first) + tally.trials, (trial, problem) => {
        tally.failures++;
        console.log(`${name}, trial ${trial} of seed ${seed}: ${problem}\n`);
      });
    }
  } while (Date.now() < end);
} finally {
  await rm(root, { recursive: true, force: true });
}
for (const [name, { trials, failures }] of tallies)
  console.log(`${name.padEnd(20)} ${trials} trials, ${failures} failures`);
const failures = [...tallies.values()].reduce((sum, tally) => sum + tally.failures, 0);
process.exitCode = failures > 0 ? 1 : 0;
