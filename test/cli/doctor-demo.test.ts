// burgeon doctor, the demo script's arguments, and the configurations that come with the package.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import { readBaseline } from '../../lib/report/baseline-gain.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { describeData } from '../../lib/train/describe-data.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
import { openData } from '../../lib/train/open-data.ts';
import { burgeon, runNode } from '../helpers/cli.ts';

describe.concurrent('doctor', () => {
  test('prints what a bug report needs', async () => {
    const { code, stdout } = await burgeon(['doctor', '--threads', '1']);
    expect(code).toBe(0);
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)[0]);
    expect(names).toEqual(
      expect.arrayContaining(['burgeon', 'node', 'system', 'processor', 'memory', 'addon', 'backend', 'threads']),
    );
    expect(stdout).toMatch(/^fp32 peak +[\d.]+ [GT]FLOP\/s on 1 thread/m);
    expect(stdout).toMatch(/^bf16 peak +[\d.]+ [GT]FLOP\/s on 1 thread/m);
    expect(stdout).toMatch(/^memory copy +[\d.]+ GB\/s on 1 thread/m);
    expect(stdout).toContain('BURGEON_THREADS=1');
    expect(stdout).toMatch(/\n\nready: trains on cpu \(\w+\), 1 thread\nnext: npx burgeon init\n$/);
  });

  test('as JSON', async () => {
    const report = JSON.parse((await burgeon(['doctor', '--json'], { env: { BURGEON_MAX_ISA: 'baseline' } })).stdout);
    expect(report).toMatchObject({
      node: process.version,
      backend: 'cpu',
      isa: 'baseline',
      threads: 1,
      environment: { BURGEON_MAX_ISA: 'baseline' },
      ready: true,
      problem: null,
      next: 'npx burgeon init',
    });
    expect(report.peakFlopsPerSecond.allThreads).toBeGreaterThan(1e8);
  });

  test.each([
    ['BURGEON_THREADS', 'many', 'expected an integer from 1 to 1024, received "many"'],
    ['BURGEON_DEVICE', 'gpu', 'expected auto, cpu, cuda, cuda:<number> or reference, received "gpu"'],
    ['BURGEON_MAX_ISA', 'sse', 'expected amx, avx512bf16, avx512, avx2 or baseline, received "sse"'],
  ])('prints its table all the same with a wrong %s', async (name, value, reason) => {
    const { code, stdout, stderr } = await burgeon(['doctor'], { env: { [name]: value } });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^burgeon +\d/);
    expect(stdout).toContain(`\nbackend      none\n`);
    expect(stdout).toContain(`\n\nnot ready: ${name}: ${reason}\nnext: npx burgeon doctor, once that is mended\n`);
  });
});

test('the demo script says how it is used', async () => {
  const { code, stdout, stderr } = await runNode(['scripts/demo.mjs', '--bogus']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^demo: .*--bogus.*\nusage: npm run demo \[-- --text FILE\.\.\.\]\n$/s);
});

test("the demo's dense runs were evaluated on the text that it prepares; else `npm run bench -- demo-dense`", async () => {
  const packages = /const packages = '([^']+)'/.exec(await readFile('scripts/demo.mjs', 'utf8'))![1];
  const data = await mkdtemp(path.join(tmpdir(), 'burgeon-demo-'));
  onTestFinished(() => rm(data, { recursive: true }));
  const text = `node_modules/{${packages}}/**/*.d.ts`;
  await burgeon(['prepare', text, '-o', path.join(data, 'data'), '-t', 'bytes', '--drop-near-duplicates'], {
    cwd: '.',
  });
  const set = [`data.directory=${path.join(data, 'data')}`];
  const { baseline, sequenceLength, evaluation, batchSize, ...config } = await loadTrainConfig('configs/demo.yaml', {
    set,
  });
  const dataset = await openData({ ...config, sequenceLength, evaluation, batchSize });
  const windows = fixedWindows(dataset.validation!, sequenceLength, evaluation.windows, batchSize);
  const described = await describeData(dataset, createTokenizer(dataset.tokenizer!), windows);
  await dataset.close();
  const runs = await readBaseline(baseline!);
  expect(runs).toHaveLength(6);
  for (const { start } of runs) expect(start!.data!.validation).toEqual(described!.validation);
});

describe('the configurations of the package', async () => {
  const files = (await readdir('configs')).filter((name) => name.endsWith('.yaml'));
  test.each(files)('%s is valid', async (name) => {
    expect(await loadTrainConfig(path.join('configs', name))).toHaveProperty('output');
  });
});
