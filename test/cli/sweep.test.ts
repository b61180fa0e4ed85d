// burgeon sweep from end to end: its table, what it refuses, and that it ends with the same table whatever happened on the
// way: kills of the sweep and of its runs at odd moments, Ctrl-C, runs that fail.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { lockHolder } from '../../lib/files/lock-file.ts';
import type { SweepRecord } from '../../lib/sweep/sweep-record.ts';
import { main } from '../helpers/cli.ts';
import type { Settings } from '../train/helpers.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

const env = { ...process.env, BURGEON_THREADS: '1' };
let workspace: Workspace;
let undisturbed: SweepRecord;

/** Two variants and two seeds, with checkpoints close to each other. */
const twoByTwo: Settings = {
  output: 'runs',
  base: { extends: 'train.yaml', steps: 60, checkpoint: { every: 5 }, evaluation: { every: 30 } },
  variants: { dense: { est: { schedule: 'dense' } }, est: null },
  seeds: [1, 2],
  baseline: 'dense',
  parallel: 2,
};

const writeSweep = (name: string, sweep: Settings) => writeFile(workspace.path(name), stringify(sweep));
const sweep = (...args: string[]) => ['sweep', 'sweep.yaml', ...args];
const output = (name: string) => ['--set', `output=${name}`];

beforeAll(async () => {
  workspace = await createWorkspace();
  await writeSweep('sweep.yaml', twoByTwo);
  undisturbed = JSON.parse((await workspace.succeed(sweep('--json'))).stdout);
});
afterAll(() => workspace.remove());

/** A table without what depends on the clock and the directory. */
function comparable({ ranking }: SweepRecord) {
  return ranking.map(({ seconds: _, directories: __, ...group }) => group);
}

/** Runs the sweep to its end, and compares the table with that of an undisturbed one. */
async function expectUndisturbed(...args: string[]): Promise<void> {
  const { stdout } = await workspace.succeed(sweep('--json', ...args));
  expect(comparable(JSON.parse(stdout))).toEqual(comparable(undisturbed));
}

/** Files of the metrics' directory and when they were changed last. */
async function timesOf(run: string): Promise<Record<string, number>> {
  const names = (await readdir(workspace.path(run))).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(workspace.path(run, name))).mtimeMs] as const)),
  );
}

describe('a sweep', () => {
  test('ranks groups by loss, with every run in a directory of its own', async () => {
    expect(undisturbed.ranking.map(({ name, seeds }) => [name, seeds]).sort()).toEqual([
      ['dense', [1, 2]],
      ['est', [1, 2]],
    ]);
    const [best, other] = undisturbed.ranking;
    expect(best!.loss!.mean).toBeLessThan(other!.loss!.mean);
    expect(undisturbed.runs.map(({ name, state }) => [name, state])).toEqual(
      ['dense/seed1', 'dense/seed2', 'est/seed1', 'est/seed2'].map((name) => [name, 'complete']),
    );
    for (const { result, planned } of undisturbed.runs) expect(result).toMatchObject({ ...planned, threads: 1 });
    expect((await readdir(workspace.path('runs'))).sort()).toEqual(['dense', 'est', 'report.html', 'sweep.json']);
    expect((await readdir(workspace.path('runs', 'dense', 'seed2'))).sort()).toEqual([
      'checkpoint-00000060',
      'config.yaml',
      'metrics.jsonl',
      'report.html',
    ]);
    const { written: _, report, ...record } = undisturbed as SweepRecord & { report: string };
    expect(JSON.parse(await readFile(workspace.path('runs', 'sweep.json'), 'utf8'))).toMatchObject(record);
    expect(report).toBe('runs/report.html');
    expect(await readFile(workspace.path(report), 'utf8')).toContain('"name":"dense/seed1"');
  });

  test('says what it does, a line per run and the table', async () => {
    const { stdout, stderr } = await workspace.succeed(sweep(...output('told')));
    expect(stderr).toMatch(/^4 of 4 runs to train, 2 at a time, 1 thread each, in told\n/);
    for (const run of ['dense', 'est  ']) {
      expect(stderr).toMatch(new RegExp(`^${run}  seed 2  loss \\d\\.\\d{4}  block FLOPs \\d+ MFLOP  `, 'm'));
    }
    expect(stdout.split('\n')).toEqual([
      '4 of 4 runs complete, in told',
      expect.stringMatching(/^ +seeds +held-out loss +block FLOPs +time$/),
      expect.stringMatching(/^ {2}1 {2}\S+ .* 2 of 2 {2}\d\.\d{4} ± \d\.\d{4} +\d+ MFLOP /),
      expect.stringMatching(/^ {2}2 {2}\S+ .* 2 of 2 {2}\d\.\d{4} ± \d\.\d{4} +\d+ MFLOP /),
      '',
      'wrote told/report.html',
      '',
    ]);
    expect(stdout).toContain('dense (baseline)');
  });

  test('repeats nothing that is complete', async () => {
    const before = await timesOf('runs/est/seed1');
    const { stderr } = await workspace.succeed(sweep());
    expect(stderr).toBe('0 of 4 runs to train, 2 at a time, 1 thread each, in runs\n');
    expect(await timesOf('runs/est/seed1')).toEqual(before);
  });

  test('is ordinary runs: train goes on with one, and the sweep takes it as it is', async () => {
    const config = 'by-hand/dense/seed2/config.yaml';
    await mkdir(workspace.path(path.dirname(config)), { recursive: true });
    await writeFile(
      workspace.path(config),
      await readFile(workspace.path('runs/dense/seed2/config.yaml'), 'utf8').then((text) =>
        text.replace('runs/dense', 'by-hand/dense'),
      ),
    );
    await workspace.succeed(['train', config]);
    const table = await workspace.succeed(sweep('--table', ...output('by-hand')));
    expect(table.stdout).toMatch(/^1 of 4 runs complete, in by-hand\n/);
    expect(table.stdout).toMatch(/^ {2}1 {2}dense \(baseline\) +1 of 2 +\d\.\d{4} +\d/m);
    expect(table.stdout).toMatch(/^ {2}- {2}est +0 of 2$/m);
    expect((await readdir(workspace.path('by-hand'))).sort()).toEqual(['dense']);
    await expectUndisturbed(...output('by-hand'));
  });

  test('--seed', async () => {
    const { stdout } = await workspace.succeed(sweep('--seed', '2', '--only', 'dense', ...output('one-seed')));
    expect(stdout).toMatch(/^1 of 1 run complete/);
    expect(await readdir(workspace.path('one-seed', 'dense'))).toEqual(['seed2']);
    const unknown = await workspace.burgeon(sweep('--seed', '3'));
    expect(unknown.stderr).toBe('burgeon: --seed 3: expected a seed of sweep.yaml (1, 2)\n');
  });

  test('--only, --parallel and -o', async () => {
    const only = await workspace.succeed(
      sweep('--only', 'est', '--parallel', '3', '-o', 'est.html', ...output('only')),
    );
    expect(only.stderr).toMatch(/^2 of 2 runs to train, 3 at a time/);
    expect(only.stdout).toMatch(/^2 of 2 runs complete/);
    expect(await readFile(workspace.path('est.html'), 'utf8')).toContain('only/est/seed1');
    const record = JSON.parse(await readFile(workspace.path('only', 'sweep.json'), 'utf8')) as SweepRecord;
    expect(record.runs.map(({ state }) => state)).toEqual(['new', 'new', 'complete', 'complete']);
    const unknown = await workspace.burgeon(sweep('--only', 'dens'));
    expect(unknown.stderr).toBe(
      'burgeon: --only dens: expected a variant of sweep.yaml (dense, est); did you mean dense?\n',
    );
  });
});

describe('--dry-run', () => {
  test('says what would be run, and starts nothing', async () => {
    const { stdout, stderr } = await workspace.succeed(sweep('--dry-run', ...output('dry')));
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^4 runs, 2 at a time, 1 thread each\n/);
    expect(stdout).toMatch(/^ {2}dense\/seed1 +60 +26\.\d k +\d+ MFLOP +\d+ MFLOP +new$/m);
    expect(stdout).toMatch(/^ {2}all +[\d.]+ GFLOP +[\d.]+ GFLOP$/m);
    expect(stdout).toMatch(/expected time {2}more than .* for .*FLOP: that is at .*FLOP\/s, the measured peak/);
    expect(await readdir(workspace.path())).not.toContain('dry');
  });

  test('goes by the finished runs where there are some', async () => {
    await workspace.succeed(sweep('--only', 'dense', ...output('half')));
    const { stdout } = await workspace.succeed(sweep('--dry-run', ...output('half')));
    expect(stdout).toMatch(/^ {2}dense\/seed1 .* complete$/m);
    expect(stdout).toMatch(/expected time .* for .*FLOP, at the .*FLOP\/s of the finished runs, 2 at a time$/m);
    const json = JSON.parse((await workspace.succeed(sweep('--dry-run', '--json', ...output('half')))).stdout);
    expect(json).toMatchObject({
      parallel: 2,
      threads: 1,
      expected: { from: 'finished', seconds: expect.any(Number) },
    });
    expect((await workspace.succeed(sweep('--dry-run'))).stdout).toContain(
      'expected time  none; all runs are complete',
    );
  });
});

describe('refuses, with one message', () => {
  test('a file with mistakes, before anything is started', async () => {
    await writeSweep('bad.yaml', { ...twoByTwo, output: 'bad', varients: {} });
    const typo = await workspace.burgeon(['sweep', 'bad.yaml']);
    expect(typo).toMatchObject({ code: 1, stdout: '' });
    expect(typo.stderr).toBe('burgeon: invalid sweep in bad.yaml:\n  varients: unknown key; did you mean variants?\n');
    await writeSweep('bad.yaml', { ...twoByTwo, output: 'bad', variants: { a: { est: { schedul: 1 } }, b: {} } });
    const inside = await workspace.burgeon(['sweep', 'bad.yaml', '--set', 'steps=0']);
    expect(inside.stderr).toBe(
      'burgeon: invalid sweep in bad.yaml:\n  baseline: expected one of the variants (a, b), received "dense"\n',
    );
    await writeSweep('bad.yaml', { ...twoByTwo, output: 'bad', variants: { dense: { est: { schedul: 1 } }, b: {} } });
    const deeper = await workspace.burgeon(['sweep', 'bad.yaml', '--set', 'steps=0']);
    expect(deeper.stderr).toMatch(/^ {2}steps: expected .*, received 0 \(in all runs\)$/m);
    expect(deeper.stderr).toMatch(/^ {2}est\.schedul: unknown key; did you mean est\.schedule\? \(in dense\)$/m);
    expect(await readdir(workspace.path())).not.toContain('bad');
  });

  test('directories that hold other runs, unless they are to be replaced', async () => {
    await workspace.succeed(sweep('--only', 'est', ...output('other')));
    const change = ['--only', 'est', '--set', 'optimizer.beta2=0.9', ...output('other')];
    for (const more of [[], ['--dry-run']]) {
      const refused = await workspace.burgeon(sweep(...change, ...more));
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toBe(
        [
          'burgeon: these directories hold other runs; replace them with --overwrite, or choose another output:',
          'other/est/seed1: optimizer.beta2: the run has 0.95, the configuration 0.9',
          'other/est/seed2: optimizer.beta2: the run has 0.95, the configuration 0.9\n',
        ].join('\n  '),
      );
    }
    const table = await workspace.succeed(sweep('--table', ...change));
    expect(table.stdout).toContain('0 of 2 runs complete');
    expect(table.stdout).toContain('other/est/seed1 holds another run: optimizer.beta2: the run has 0.95');
    const { stdout } = await workspace.succeed(sweep('--overwrite', '--json', ...change));
    const [est] = (JSON.parse(stdout) as SweepRecord).ranking;
    expect(est!.seeds).toEqual([1, 2]);
    expect(est!.loss).not.toEqual(undisturbed.ranking.find(({ name }) => name === 'est')!.loss);
  });

  test('a second sweep in the same output', async () => {
    await mkdir(workspace.path('busy'));
    await writeFile(workspace.path('busy', '.burgeon-sweep.lock'), String(process.pid));
    const { code, stderr } = await workspace.burgeon(sweep(...output('busy')));
    expect(code).toBe(1);
    expect(stderr).toContain(`burgeon: output busy: process ${process.pid} runs a sweep there; wait for it or`);
  });
});

describe('a run that fails', () => {
  test('is a line with its reason; the others go on, and it is tried again', async () => {
    const variants = { bad: { optimizer: { learningRate: 1e30 } }, good: {} };
    await writeSweep('fails.yaml', { ...twoByTwo, output: 'fails', variants, baseline: null });
    for (const _ of [1, 2]) {
      const { code, stdout, stderr } = await workspace.burgeon(['sweep', 'fails.yaml']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^bad {3}seed 1 {2}failed: .* finite/m);
      expect(stdout).toMatch(/^2 of 4 runs complete, in fails\n/);
      expect(stdout).toMatch(/^ {2}1 {2}good +2 of 2 .*\n {2}- {2}bad +0 of 2\n {2}bad {2}seed 1 {2}failed: .*finite/m);
    }
    const table = await workspace.succeed(['sweep', 'fails.yaml', '--table']);
    expect(table.stdout).toMatch(/bad {2}seed 2 {2}failed: .*finite/);
  });

  test('because it was killed goes on next time', async () => {
    const args = sweep(...output('child'), '--set', 'steps=3000', '--set', 'checkpoint.every=1000');
    const child = spawn(process.execPath, [main, ...args], {
      cwd: workspace.path(),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const text = Promise.all([child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray()));
    const lock = workspace.path('child', 'dense', 'seed1', '.burgeon.lock');
    await expect.poll(() => lockHolder(lock), { timeout: 30_000, interval: 5 }).toBeDefined();
    process.kill((await lockHolder(lock))!.pid!, 'SIGKILL');
    const [code] = await once(child, 'close');
    const [stdout, stderr] = (await text).map((pieces) => pieces.join(''));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^dense {2}seed 1 {2}failed: ended by SIGKILL$/m),
    });
    expect(stdout).toContain('3 of 4 runs complete');
    const again = await workspace.succeed(args);
    expect(again.stderr).toMatch(/^1 of 4 runs to train/);
    expect(again.stdout).toContain('4 of 4 runs complete');
  });
});

describe('SIGKILL of the sweep', () => {
  test.each([
    ['before its first run', 'runs to train', 'killed-first'],
    ['when a run has finished', 'seed 1  loss', 'killed-between'],
  ])('%s: the same command ends with the same table', async (_, after, name) => {
    const killed = await workspace.burgeon(sweep(...output(name)), { signals: [{ name: 'SIGKILL', after }] });
    expect(killed).toMatchObject({ code: null, signal: 'SIGKILL', stdout: '' });
    await expectUndisturbed(...output(name));
  });

  test('at odd moments, many times over', async () => {
    for (const killAfterMs of [20, 350, 500, 650, 800, 950]) {
      const { code, stderr } = await workspace.burgeon(sweep(...output('killed-often')), { killAfterMs });
      // Killed, or finished before; nothing failed.
      expect(code ?? 0, stderr).toBe(0);
      expect(stderr).not.toContain('failed');
    }
    await expectUndisturbed(...output('killed-often'));
  });
});

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  const long: Settings = {
    ...twoByTwo,
    variants: { long: { steps: 100_000, evaluation: { every: 0 }, checkpoint: { every: 0 } }, short: { steps: 3 } },
    seeds: [1],
    baseline: null,
  };
  const args = ['sweep', 'long.yaml', ...output(`asked-${signal}`)];
  const isTrained = () => lockHolder(workspace.path(`asked-${signal}`, 'long', 'seed1', '.burgeon.lock'));

  test('stops the runs with checkpoints, says how to go on, and it does', async () => {
    await writeSweep('long.yaml', long);
    const stopped = await workspace.burgeon(args, { signals: [{ name: signal, after: 'short  seed 1  loss' }] });
    expect(stopped.code).toBe(code);
    expect(stopped.stderr).toContain('stopping the runs after their steps; once more to stop at once\n');
    expect(stopped.stderr).toContain('stopped before the end; the same command goes on\n');
    expect(stopped.stdout).toContain('1 of 2 runs complete');
    // A signal may come before the first step, on a slow machine.
    expect(stopped.stderr).toMatch(/^long {3}seed 1 {2}(stopped after step \d+|not begun)$/m);
    expect(await isTrained()).toBeUndefined();
    const twice = await workspace.burgeon(args, {
      signals: [
        { name: signal, after: 'long/seed1 ' },
        { name: signal, after: 'once more to stop at once' },
      ],
    });
    expect(twice).toMatchObject({ code: null, signal, stdout: '' });
    expect(twice.stderr).toMatch(/^1 of 2 runs to train/);
    await expect.poll(isTrained, { timeout: 10_000 }).toBeUndefined();
  });
});

test('results that cannot be written end the sweep, and its runs with checkpoints', async () => {
  const variants = {
    long: { steps: 100_000, evaluation: { every: 0 }, checkpoint: { every: 0 } },
    short: { steps: 3 },
  };
  await writeSweep('full.yaml', { ...twoByTwo, output: 'full', variants, seeds: [1], baseline: null });
  await mkdir(workspace.path('full', 'sweep.json.new'), { recursive: true });
  const { code, stdout, stderr } = await workspace.burgeon(['sweep', 'full.yaml']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    /^burgeon: full.sweep\.json \(the record of the sweep\): cannot be written \(EISDIR: .* is kept$/m,
  );
  expect(await lockHolder(workspace.path('full', 'long', 'seed1', '.burgeon.lock'))).toBeUndefined();
  expect(await readdir(workspace.path('full'))).not.toContain('.burgeon-sweep.lock');
});

test('waits for a process that still trains in one of its directories', async () => {
  const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder, 'spawn');
  await mkdir(workspace.path('held', 'est', 'seed1'), { recursive: true });
  await writeFile(workspace.path('held', 'est', 'seed1', '.burgeon.lock'), String(holder.pid));
  const child = spawn(process.execPath, [main, ...sweep(...output('held'))], { cwd: workspace.path(), env });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (text.includes('waiting for')) holder.kill('SIGKILL');
  });
  const [code] = await once(child, 'close');
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining(
      `est/seed1: waiting for process ${holder.pid}, which is still training there (if that is no burgeon, delete held/est/seed1/.burgeon.lock)\n`,
    ),
  });
  await expectUndisturbed(...output('held'));
});
