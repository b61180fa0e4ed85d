// burgeon compare as typed, on run directories that hold metrics only.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Comparison } from '../../lib/report/compare-runs.ts';
import type { MetricsLine } from '../../lib/train/metrics.ts';
import { burgeon } from '../helpers/cli.ts';
import { startLine, textOf, validationLine } from '../report/metrics-lines.ts';

let root: string;

/** A run that ends with this loss, in a directory of its own. */
async function writeRun(
  name: string,
  steps: number,
  loss: number,
  { flops = 1e6, ...config }: Record<string, unknown> & { flops?: number },
) {
  const executedFlops = flops * steps;
  const lines: MetricsLine[] = [
    startLine({ steps, output: name, ...config }),
    validationLine(0, 4.2, { executedBlockFlops: 0, executedFlops: 0 }),
    validationLine(steps, loss, { executedBlockFlops: 0.8 * executedFlops, executedFlops }),
  ];
  await mkdir(path.join(root, name), { recursive: true });
  await writeFile(path.join(root, name, 'metrics.jsonl'), textOf(lines));
}

const run = (...args: string[]) => burgeon(['compare', ...args], { cwd: root });

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'burgeon-compare-'));
  const dense = { est: { schedule: 'dense' } };
  for (const seed of [1, 2]) {
    for (const [i, steps] of [100, 200, 400].entries()) {
      await writeRun(`dense-${steps}-${seed}`, steps, 4 - i + seed / 100, { ...dense, seed });
    }
    const name = `with-a-name-much-longer-than-a-column-of-the-table-${seed}`;
    const schedule = [0.1, 0.2, 0.3, 0.4].map((end) => ({ endFraction: end, heads: 0.5, layers: [0.5, 1] }));
    await writeRun(name, 400, 2.5 + seed / 100, { seed, flops: 5e5, est: { schedule: [...schedule, {}] } });
  }
  await writeRun('short-windows', 400, 2, { ...dense, evaluation: { windows: 8 }, sequenceLength: 16 });
});
afterAll(() => rm(root, { recursive: true }));

const dense = [100, 200, 400].flatMap((steps) => [`dense-${steps}-1`, `dense-${steps}-2`]);
const others = [1, 2].map((seed) => `with-a-name-much-longer-than-a-column-of-the-table-${seed}`);

test('prints the gain, what differs and how it was found, in less than 100 columns', async () => {
  const { code, stdout } = await run(...dense.toReversed(), ...others);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.filter((line) => line.length >= 100)).toEqual([]);
  expect(stdout).toContain(
    [
      '  dense training                    seeds  block FLOPs    all FLOPs      seconds       final loss',
      '  dense-100-2, 100 steps                2       80.0 M        100 M        1.0 s  4.0150 ± 0.0071',
      '  dense-200-2, 200 steps                2        160 M        200 M        2.0 s  3.0150 ± 0.0071',
      '  dense-400-2, 400 steps                2        320 M        400 M        4.0 s  2.0150 ± 0.0071',
      '',
      '  gain of                           seeds  block FLOPs    all FLOPs      seconds       final loss',
      '  with-a-name-muc…ble-1, 400 steps      2  1.41 ± 0.00  1.41 ± 0.00  0.71 ± 0.00  2.5150 ± 0.0071',
    ].join('\n'),
  );
  expect(stdout.replaceAll(/\n +/g, ' ')).toContain(
    'est.schedule: dense -> [{endFraction: 0.1, heads: 0.5, layers: [0.5, 1]}, {endFraction: 0.2, ',
  );
});

test('--json has all of it', async () => {
  const { stdout } = await run(...dense.toReversed(), ...others, '--json');
  const comparison: Comparison = JSON.parse(stdout);
  expect(comparison).toMatchObject({ unit: 'nats per token', notes: [] });
  expect(comparison.gain!.groups[0]).toMatchObject({
    steps: 400,
    gain: { executedBlockFlops: { kind: 'exact', mean: expect.closeTo(Math.SQRT2, 9), n: 2 } },
    difference: { isBeyondSpread: true },
  });
  expect(comparison.others.at(-1)!.differences[0]!.key).toBe('est.schedule');
});

test('with one dense length compares as before, and says what a gain needs', async () => {
  const { stdout } = await run(dense[4]!, ...others);
  expect(stdout).not.toContain('gain of');
  expect(stdout).toMatch(/note: a compute gain needs complete dense runs of two lengths or more/);
  expect(stdout).toMatch(/did not reach the final loss of\n {2}dense-400-1, 2\.0100/);
});

test('refuses what is not of the same tokens, and directories that are no runs', async () => {
  const refused = await run(dense[0]!, 'short-windows');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toBe(
    [
      'burgeon: dense-100-1 and short-windows cannot be compared, because their held-out losses are not of the same tokens:',
      '  sequenceLength: 32 -> 16',
      'train with the same evaluation, or compare their checkpoints on the same data with `burgeon eval`',
      '',
    ].join('\n'),
  );
  const none = await run(dense[0]!, 'dense-50');
  expect(none.stderr).toMatch(/^burgeon: dense-50: expected a run directory with metrics.jsonl/);
  expect((await run(dense[0]!)).stderr).toContain(`${dense[0]} is one run; expected others to compare with it`);
});
