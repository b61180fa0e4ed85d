// What the parts of a device's check rest on, without a device: which part comes next, the time they have, and what is said of them.
// test/cuda/check-device.test.ts runs the parts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { runNode } from '../helpers/cli.ts';

const scripts = path.join(import.meta.dirname, '..', '..', 'scripts');
const load = (name: string) => import(pathToFileURL(path.join(scripts, 'check-device', name)).href);
const { expectedSeconds, partsNamed, partsToRun, readState, withRow, writeState } = await load('state.mjs');
const { partsOf, longestSeconds } = await load('parts.mjs');
const { commandRunner } = await load('commands.mjs');
const { figuresOf } = await load('figures.mjs');
const { summaryText } = await load('table.mjs');

const directory = mkdtempSync(path.join(os.tmpdir(), 'burgeon-check-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Part {
  name: string;
  seconds: number;
}
const namesOf = (parts: Part[]) => parts.map(({ name }) => name);
const parts: Part[] = ['a', 'b', 'c-1', 'c-2'].map((name) => ({ name, seconds: 100 }));
const identity = { build: '1', device: 'one', isTiny: false };
const file = path.join(directory, 'summary.json');
const rows = (results: Record<string, object>) =>
  Object.entries(results).reduce(
    (state, [part, row]) => withRow(state, { part, seconds: 1, ...row }, parts),
    readState(path.join(directory, 'none.json'), identity).state,
  );

describe('parts to run', () => {
  test('what is open comes before what did not pass, which comes before nothing', () => {
    const some = rows({ a: { result: 'failed' }, 'c-1': { result: 'passed' }, 'c-2': { result: 'stopped' } });
    expect(namesOf(partsToRun(some, parts))).toEqual(['b', 'c-2']);
    const all = rows({
      a: { result: 'failed' },
      b: { result: 'not run' },
      'c-1': { result: 'passed' },
      'c-2': { result: 'passed' },
    });
    expect(namesOf(partsToRun(all, parts))).toEqual(['a', 'b']);
    expect(partsToRun(all, parts.slice(2))).toEqual([]);
    expect(partsToRun(all, parts, { again: true })).toEqual(parts);
    expect(namesOf(partsToRun(some, parts, { areNamed: true }))).toEqual(['a', 'b', 'c-2']);
  });

  test('by name, or the word that several begin with, in their order', () => {
    expect(namesOf(partsNamed(parts, ['c', 'a']))).toEqual(['a', 'c-1', 'c-2']);
    expect(namesOf(partsNamed(parts, ['c-2']))).toEqual(['c-2']);
    expect(partsNamed(parts, ['a', 'd'])).toBeUndefined();
  });

  test('the time they took is what they are expected to take; once stopped, twice that', () => {
    const state = rows({ a: { result: 'passed', seconds: 7.2 }, b: { result: 'stopped', seconds: 80 } });
    expect(parts.slice(0, 3).map((part) => expectedSeconds(state, part))).toEqual([8, 160, 100]);
    expect(expectedSeconds(rows({ a: { result: 'stopped', seconds: 500 } }), parts[0])).toBe(longestSeconds);
  });

  test('each has a name of its own and ends within ten minutes', () => {
    for (const isTiny of [false, true]) {
      const all: Part[] = partsOf(isTiny);
      expect(new Set(namesOf(all)).size).toBe(all.length);
      for (const { seconds } of all) expect(seconds).toBeLessThanOrEqual(longestSeconds);
    }
    expect(longestSeconds).toBeLessThan(600);
  });
});

describe('summary.json', () => {
  test('is read again for the same build and device only', () => {
    writeState(file, rows({ b: { result: 'passed' } }));
    expect(readState(file, identity)).toMatchObject({ isOther: false, state: { rows: [{ part: 'b' }] } });
    for (const other of [{ build: '2' }, { device: 'two' }, { isTiny: true }]) {
      expect(readState(file, { ...identity, ...other })).toMatchObject({
        isOther: true,
        state: { ...other, rows: [] },
      });
    }
    writeFileSync(file, '{"format": "burg');
    expect(readState(file, identity)).toMatchObject({ isOther: true, state: { rows: [] } });
  });

  test('is told as a table: result, seconds, why, and shares of predicted times', () => {
    const figures = [
      { name: 'dense', ms: 60, predictedMs: 50, share: 1.2 },
      { name: 'other', ms: 3 },
    ];
    const state = rows({ a: { result: 'passed', figures }, b: { result: 'not run', why: 'no tool' } });
    expect(summaryText(state, parts).split('\n')).toEqual([
      'a    passed   1 s',
      '     dense: 60 ms, 120 % of the predicted 50',
      '     other: 3 ms',
      'b    not run  1 s  no tool',
      'c-1  open',
      'c-2  open',
    ]);
  });
});

test('figures of a bench are its medians, of what was predicted and of dense steps', () => {
  const entry = (key: string, more: object = {}) => ({ key, unit: 'ms', samples: [3, 1, 2, 500], ...more });
  const json = path.join(directory, 'bench.json');
  const entries = [
    entry('f dense groups=1 freeze bf16 cuda:0'),
    entry('z dense groups=1 freeze bf16 cuda:0', { name: 'dense' }),
    entry('z stage 1 groups=1 freeze bf16 cuda:0', { name: 'stage 1' }),
    entry('gpt2-16x1024 attention_forward rate=1 bf16 cuda:0 cold'),
  ];
  writeFileSync(json, JSON.stringify({ entries }));
  const found = figuresOf(json);
  expect(found.map(({ name }: { name: string }) => name)).toEqual([
    'f dense groups=1 freeze',
    'z dense groups=1 freeze',
    'gpt2-16x1024 attention_forward rate=1',
  ]);
  expect(found[0]).toMatchObject({ ms: 2.5, share: 0.025 });
  expect(found[1]).not.toHaveProperty('share');
});

describe('commands', () => {
  const log = path.join(directory, 'log.txt');
  const runner = (seconds: number, interrupt = new AbortController().signal) =>
    commandRunner({ log, deadline: performance.now() + 1000 * seconds, interrupt });
  const node = (code: string): [string, string[]] => [process.execPath, ['-e', code]];

  test('leave what they print in the file, with their settings', async () => {
    const result = await runner(60)(...node('console.log(process.env.A); console.error("beside")'), {
      env: { A: '5' },
    });
    expect(result).toEqual({ stdout: '5\n', stderr: 'beside\n' });
    const text = readFileSync(log, 'utf8');
    expect(text).toMatch(/^> A=5 .*node/);
    expect(text).toContain('beside');
  });

  test('that fail say why, in their last line', async () => {
    await expect(runner(60)(...node('console.error("no\\nmemory"); process.exit(3)'))).rejects.toMatchObject({
      result: 'failed',
      message: expect.stringMatching(/: exit status 3, memory$/),
    });
    await expect(runner(60)('not-a-command', [])).rejects.toMatchObject({ result: 'failed' });
  });

  test('are asked to stop before their time is over', async () => {
    const running = runner(15.2)(...node('setInterval(() => {}, 1000)'));
    await expect(running).rejects.toMatchObject({ result: 'stopped' });
  });

  test('are asked to stop where somebody wants to end, with what they have started', async () => {
    const child = `process.on("SIGINT", () => { console.log("saved"); process.exit(); });
      setInterval(() => {}, 1000);
      console.log("ready");`;
    const code = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" });
      process.on("SIGINT", () => {});`;
    const interrupt = new AbortController();
    const running = runner(600, interrupt.signal)(...node(code));
    const stopped = expect(running).rejects.toMatchObject({ result: 'stopped' });
    const ready = /^ready$/m;
    while (!ready.test(readFileSync(log, 'utf8'))) await setTimeout(10);
    interrupt.abort();
    await stopped;
    expect(readFileSync(log, 'utf8')).toMatch(/^saved$/m);
  });
});

describe('the command', () => {
  const check = (...args: string[]) =>
    runNode([path.join(scripts, 'check-device.mjs'), '--output', path.join(directory, 'out'), ...args], {
      env: { BURGEON_CUDA_LIBRARY: path.join(directory, 'no.so') },
    });

  test('says what it takes, and what was wrong', async () => {
    expect((await check('--help')).stdout).toContain('--budget <seconds>');
    for (const [args, why] of [
      [['--part', 'opps'], '--part: expected some of selfcheck-quick, '],
      [['--budget', 'soon'], '--budget: expected seconds above 0, received "soon"'],
      [['--device', 'cpu'], '--device: expected cuda or one like cuda:1, received "cpu"'],
      [['--parts', 'a'], "Unknown option '--parts'"],
    ] as const) {
      expect(await check(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
    }
  });

  test('lists parts, and what they take, without a device', async () => {
    const { code, stdout } = await check('--list', '--part', 'train');
    expect([code, stdout]).toEqual([0, 'train-dense     240 s  open\ntrain-stack-4   240 s  open\n']);
  });

  test('ends where there is no device, and says why', async () => {
    const { code, stderr } = await check();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^check-device: cuda: the CUDA library is not built \(.+no\.so is not there\)/);
  });
});
