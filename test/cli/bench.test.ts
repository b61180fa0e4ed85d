// burgeon bench: what it prints, what it writes, and what it says of an earlier file. Timing decides nothing here: what
// is compared with is made up.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../lib/bench/machine.ts';
import { describeCase } from '../../lib/bench/op-bench.ts';
import { opCases, opModels } from '../../lib/bench/op-shapes.ts';
import { describeDoubt, describeMachineLines, describeOps, milliseconds } from '../../lib/cli/bench-report.ts';
import { burgeon, runNode } from '../helpers/cli.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
});
afterAll(() => rm(directory, { recursive: true }));

const at = (name: string) => path.join(directory, name);
const read = async (name: string) => JSON.parse(await readFile(at(name), 'utf8'));

/** What is in a page. */
async function pageData(name: string) {
  const page = await readFile(at(name), 'utf8');
  return JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)![1]!);
}

/** Runs `burgeon bench` in a directory of its own, and expects it to succeed. */
async function bench(...args: string[]) {
  const result = await burgeon(['bench', ...args], { cwd: directory });
  expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
  for (const line of result.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
  return result.stdout;
}

describe('peak', () => {
  test('prints and writes the peaks of one thread and of all', async () => {
    const stdout = await bench('peak', '--threads', '2', '--rounds', '1', '--json', 'peak.json');
    for (const what of ['fp32', 'bf16', 'memory copy']) {
      for (const threads of [1, 2])
        expect(stdout).toMatch(new RegExp(`^ +${what} +${threads} +[\\d.]+ [GT](FLOP|B)/s`, 'm'));
    }
    expect(stdout).toContain('\nwrote peak.json\n');
    const { format, bench: name, command, machine, entries } = await read('peak.json');
    expect({ format, name }).toEqual({ format: 'burgeon-bench-1', name: 'peak' });
    expect(command).toBe('burgeon bench peak --threads 2 --rounds 1 --json peak.json');
    expect(machine).toMatchObject({ threads: 2, node: process.version, isa: expect.any(String) });
    expect(entries.map(({ key }: { key: string }) => key)).toEqual([
      'fp32 threads=1',
      'bf16 threads=1',
      'copy threads=1',
      'fp32 threads=2',
      'bf16 threads=2',
      'copy threads=2',
    ]);
  });
});

describe('ops', () => {
  test('prints, writes, and compares with an earlier file', async () => {
    const args = ['ops', 'norm', '--rounds', '2'];
    const stdout = await bench(...args, '--json', 'ops.json');
    expect(stdout).toMatch(/^norm_forward +1 +[\d.]+ +[\d.]+\.\.[\d.]+ +[\d.]+ GB\/s +\d+ %$/m);
    expect(stdout).toContain('caches warm');
    const file = await read('ops.json');
    expect(file.entries[1]).toMatchObject({
      key: 'small norm_backward rate=1 float32 threads=1 warm',
      unit: 'ms',
      shape: { n: 2048, cols: 384 },
    });

    /** An earlier file whose times were those, in milliseconds. */
    const earlier = async (name: string, ms: number) => {
      const entries = file.entries.map((entry: object) => ({ ...entry, samples: [ms, ms] }));
      await writeFile(at(name), JSON.stringify({ ...file, entries }));
    };
    await earlier('slow.json', 1e9);
    expect(await bench(...args, '--compare', 'slow.json')).toMatch(/ faster\n(?:.*\n)*no regression beyond 10 %\n$/);

    await earlier('fast.json', 1e-6);
    const slower = await burgeon(['bench', ...args, '--compare', 'fast.json'], { cwd: directory });
    expect(slower).toMatchObject({ code: 1, stderr: '' });
    expect(slower.stdout).toMatch(/2 of 2 slower by more than 10 %, with quartiles that do not overlap\n$/);
    expect(await bench(...args, '--compare', 'fast.json', '--threshold', '1e15')).toContain('no regression');
  });

  test('of the head, with another vocabulary', async () => {
    const stdout = await bench('ops', 'head', '--vocab-size', '81', '--rounds', '1', '--json', 'head.json');
    expect(stdout).toMatch(/^ops of the small model: .*, V 81$/m);
    const { entries } = await read('head.json');
    expect(entries.map(({ key }: { key: string }) => key)).toEqual(
      ['forward', 'loss', 'input_gradient', 'weight_gradient'].map(
        (name) => `small V=81 head_${name} rate=1 float32 threads=1 warm`,
      ),
    );
  });

  test('a page has warm and cold caches, unless only cold ones are asked for', async () => {
    const run = ['ops', 'norm_forward', '--rounds', '4', '--html', 'ops.html'];
    const stdout = await bench(...run, '--json', 'both.json');
    expect(stdout).toMatch(/caches warm.*caches cold.*\nwrote both\.json\n.*\nwrote ops\.html\n$/s);
    const { entries } = await read('both.json');
    expect(entries.map(({ key }: { key: string }) => key.split(' ').at(-1))).toEqual(['warm', 'cold']);
    const { title, command, series, dots, sentences, tables, machine } = await pageData('ops.html');
    expect(title).toBe('ops of the small model, float32, 4 rounds');
    expect(command).toContain('burgeon bench ops norm_forward');
    expect([series, dots.length, sentences.length, machine[0][0]]).toEqual([
      ['caches warm', 'caches cold'],
      2,
      1,
      'processor',
    ]);
    expect(tables[0].rows.map((row: string[]) => [row[0], row[3]])).toEqual([
      ['norm_forward', 'warm'],
      ['norm_forward', 'cold'],
    ]);
    await bench(...run, '--cold');
    expect((await pageData('ops.html')).series).toEqual(['caches cold']);
  });

  test('tables fit 100 columns at the widest', () => {
    const machine = { peakGflops: 1, peakBf16Gflops: 1, copyGBs: 1, processor: '', isa: 'avx512bf16', threads: 128 };
    const cases = opCases(opModels.gpt2);
    const settings = {
      model: 'gpt2',
      precision: 'float32',
      device: 'cpu',
      threads: 128,
      cold: true,
      rounds: 10_000,
    } as const;
    const entries = cases.flatMap((each) =>
      describeCase(
        each,
        each.variants.map(() => ({ ms: [1234.5, 1200, 1300], copyMs: [], n: 1, flops: 1e12, bytes: 1e12, error: 0 })),
        { ...settings, machine: machine as Machine },
      ),
    );
    const text = `${describeOps(entries, settings)}\n${describeMachineLines(machine as Machine)}`;
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
  });
});

describe('model', () => {
  test('measures a preset', async () => {
    const stdout = await bench(
      'model',
      '--preset',
      'gpt2-tiny',
      '--batch',
      '4',
      '--rounds',
      '1',
      '--json',
      'model.json',
      '--html',
      'model.html',
    );
    expect(stdout).toMatch(/^dense +1, freeze +/m);
    expect(stdout).toMatch(/^stage 2 +4, zero-grad +.* 51\.9 %/m);
    const { tables, dots } = await pageData('model.html');
    expect([tables[0].rows.length, dots]).toEqual([8, []]);
    const { entries } = await read('model.json');
    expect(entries).toHaveLength(8);
    expect(entries[0]).toMatchObject({ key: expect.stringContaining('gpt2-tiny V=65 B=4 T=32 dense'), batchSize: 4 });
  });
});

describe('ranks', () => {
  test('measures one rank and two in turn, and counts what they send', async () => {
    const run = ['ranks', '--tiny', '--threads', '2', '--rounds', '1', '--json', 'ranks.json', '--html', 'ranks.html'];
    const stdout = await bench(...run);
    expect(stdout).toMatch(/^dense, 1 group +1 x 2 .*\n +2 x 1 .* (MiB|KiB) +\S+ GB\/s +[\d.]+$/m);
    const { bench: name, entries } = await read('ranks.json');
    expect(name).toBe('ranks');
    const names = ['dense', 'stage 1', 'L/2', 'width/2', 'stage 1'];
    expect(entries.map((entry: { name: string; ranks: number }) => [entry.name, entry.ranks])).toEqual(
      names.flatMap((each) => [1, 2].map((ranks) => [each, ranks])),
    );
    const sent = entries.map((entry: { sent: { gradients: number } }) => entry.sent.gradients);
    const [, dense, , shared, , depth, , width, , drawn] = sent;
    expect(sent.filter((_: number, i: number) => i % 2 === 0)).toEqual([0, 0, 0, 0, 0]);
    for (const less of [shared, depth, width, drawn]) expect(less).toBeLessThan(dense);
    expect(shared).toBeLessThan(drawn);
    expect(entries[1]).toMatchObject({
      key: 'tiny dense groups=1 freeze float32 ranks=2 threads=1',
      efficiency: { median: entries[0].samples[0] / entries[1].samples[0] },
      waitMs: { median: expect.any(Number) },
    });
    expect(entries[0]).toMatchObject({ efficiency: null, sentGBs: null });
    const { tables } = await pageData('ranks.html');
    expect(tables[0].rows.map((row: string[]) => row[2])).toEqual(
      entries.map(({ ranks }: { ranks: number }) => String(ranks)),
    );
  });
});

describe.concurrent('mistakes', () => {
  test.each([
    ['ops nor', 'burgeon: op: expected one of embedding_forward, '],
    ['ops norm --rounds 0', "'--rounds <n>' argument '0' is invalid. Expected an integer from 1 to 10000."],
    ['ops norm --precision fp8', "'fp8' is invalid. Allowed choices are float32, bf16."],
    [
      'ops norm --compare none.json',
      'burgeon: none.json: expected a file written by `burgeon bench --json`, found nothing',
    ],
    ['ops norm --json none/here.json', 'burgeon: none/here.json (the result): cannot be written (ENOENT'],
    ['ops norm --html none/here.html', 'burgeon: none/here.html (the page): cannot be written (ENOENT'],
    ['model z', 'burgeon: rows: expected letters of a, b, c, d, e, f, g, h, for example "a,b", received "z"'],
    ['model --rates 0.5,2', 'Expected rates above 0 and at most 1, separated by commas.'],
    ['model --batch 2', 'error: --batch, --length and --vocab-size need --preset'],
    ['model a --preset gpt2', 'error: --preset and rows exclude each other'],
    ['ranks --ranks 2.5', "'--ranks <n>' argument '2.5' is invalid. Expected an integer from 1 to 1024."],
    ['ranks --ranks 1', 'error: --ranks: one process is measured anyway, give 2 or more'],
    ['ranks a --ranks 8', 'burgeon: a: expected sequences for 8 ranks, as many each, found 12'],
    ['ranks a --threads 1', 'burgeon: a: expected threads for 2 ranks, one each, found 1'],
    ['ranks --device cuda', "unknown option '--device'"],
    ['peek', "unknown command 'peek'"],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await burgeon(['bench', ...line.split(' ')], { cwd: directory });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test('a page in the place of another file', async () => {
    await writeFile(at('notes.txt'), 'mine');
    const run = ['bench', 'ops', 'norm', '--rounds', '1', '--html', 'notes.txt'];
    const { code, stderr } = await burgeon(run, { cwd: directory });
    expect(code).toBe(1);
    expect(stderr).toContain('notes.txt: expected no such file, or a report to replace, found another file');
    expect(await readFile(at('notes.txt'), 'utf8')).toBe('mine');
  });

  test('a file of another bench', async () => {
    const peak = { key: 'fp32 threads=1', unit: 'FLOP/s', samples: [1e9] };
    const file = { format: 'burgeon-bench-1', bench: 'peak', date: '2025-01-02', machine: {}, entries: [peak] };
    await writeFile(at('other.json'), JSON.stringify(file));
    const args = ['bench', 'ops', 'norm', '--rounds', '1', '--compare', 'other.json'];
    const { code, stderr } = await burgeon(args, { cwd: directory });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'burgeon: other.json: expected results of `burgeon bench ops` to compare with, found those of `burgeon bench peak`\n',
    });
  });
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops it between measurements, without a file', async (name, exitCode) => {
  // Sent from within, a moment after the command has begun to listen for it.
  const code = `
    const { on } = process;
    process.on = function (name, ...rest) {
      if (name === 'SIGTERM') setTimeout(() => process.kill(process.pid, ${JSON.stringify(name)}), 300);
      return on.call(this, name, ...rest);
    };`;
  const file = at(`stopped-${name}.json`);
  const result = await runNode([
    '--import',
    `data:text/javascript,${encodeURIComponent(code)}`,
    'dist/cli/main.js',
    ...['bench', 'model', '--preset', 'gpt2-tiny', '--rounds', '10000', '--json', file],
  ]);
  expect(result).toMatchObject({ code: exitCode, stdout: '' });
  expect(result.stderr).toContain('stopping after this measurement; once more to stop at once\n');
  expect(result.stderr).toContain('stopped before the end; nothing was written\n');
  await expect(readFile(file)).rejects.toThrow('ENOENT');
});

test('a peak that products exceed is doubted, a bandwidth that caches exceed is not', () => {
  expect(describeDoubt([{ flops: 1, shareOfPeak: 1.48 }])[0]).toMatch(/^note: up to 148 % of the measured peak: /);
  expect(describeDoubt([{ flops: 0, shareOfPeak: 2 }, { flops: 1, shareOfPeak: 1 }, {}])).toEqual([]);
});

test('milliseconds have three digits or more', () => {
  expect([0.01234, 0.5, 1.234, 12.345, 123.4, 1234.5].map(milliseconds)).toEqual([
    '0.012',
    '0.500',
    '1.23',
    '12.3',
    '123',
    '1235',
  ]);
});
