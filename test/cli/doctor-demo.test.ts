// burgeon doctor, the demo script's arguments, and the configurations that come with the package.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
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
  });

  test('as JSON', async () => {
    const report = JSON.parse((await burgeon(['doctor', '--json'], { env: { BURGEON_MAX_ISA: 'baseline' } })).stdout);
    expect(report).toMatchObject({
      node: process.version,
      backend: 'cpu',
      isa: 'baseline',
      threads: 1,
      environment: { BURGEON_MAX_ISA: 'baseline' },
    });
    expect(report.peakFlopsPerSecond.allThreads).toBeGreaterThan(1e8);
  });
});

test('the demo script says how it is used', async () => {
  const { code, stdout, stderr } = await runNode(['scripts/demo.mjs', '--bogus']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^demo: .*--bogus.*\nusage: npm run demo \[-- --text FILE\.\.\.\]\n$/s);
});

describe('the configurations of the package', async () => {
  const files = (await readdir('configs')).filter((name) => name.endsWith('.yaml'));
  test.each(files)('%s is valid', async (name) => {
    expect(await loadTrainConfig(path.join('configs', name))).toHaveProperty('output');
  });
});
