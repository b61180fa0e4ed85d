// The simulation of docs/scaling.md: the cost model by hand, and the page as the script writes it.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type Cluster, littleTime, stepTime, sumTime } from '../../bench/scaling/cost.ts';
import { kinds, markers, places, readSpeeds, simulate, tables, tasks, workOf } from '../../bench/scaling.ts';
import { planRanks } from '../../lib/train/rank-plan.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

const four: Cluster = { ranks: 4, linkBytes: 1e9, latency: 0.001, memoryBytes: 28e9 };

test('a sum of 4 ranks sends 3/2 of the bytes, 64 MiB at a time there and back; a little goes to rank 0 and back', () => {
  expect(sumTime(2e9, four)).toBeCloseTo(3 + 0.06, 12);
  expect(littleTime({ ...four, ranks: 5 })).toBeCloseTo(0.006, 12);
  expect(sumTime(2e9, { ...four, ranks: 1 })).toBe(0);
});

test('a step by hand', () => {
  // 8 s of work by 4 ranks; 1e9 parameters take a second to update, three more sums 12 ms.
  const work = { computing: 8, microBatches: 1, bytes: 2e9, updated: 1e9 };
  const time = stepTime(work, four);
  const exchange = 3.072;
  expect(time).toMatchObject({ computing: 2, update: 1, throughHost: undefined });
  expect(time.exchange).toBeCloseTo(exchange, 12);
  expect(time.efficiency).toBeCloseTo(9 / (4 * (2 + exchange + 1)), 12);
  // Backward of the only micro-batch hides 4/3 s; of the last of two, half of that.
  expect(time.overlapped).toBeCloseTo(9 / (4 * (2 + exchange - 4 / 3 + 1)), 12);
  expect(stepTime({ ...work, microBatches: 2 }, four).overlapped).toBeCloseTo(9 / (4 * (2 + exchange - 2 / 3 + 1)), 12);
  // Each updates a quarter.
  expect(time.divided).toBeCloseTo(9 / (4 * (2 + exchange + 0.25)), 12);
  // There and back at 2 GB/s: two more seconds.
  expect(stepTime(work, { ...four, hostBytes: 2e9 }).throughHost).toBeCloseTo(9 / (4 * (4 + exchange + 1)), 12);
  // What is short is hidden whole.
  expect(stepTime({ ...work, bytes: 1e6 }, four).overlapped).toBeCloseTo(9 / (4 * 3), 12);
});

test.each([
  [0, 1, { schedule: 'dense' }],
  // Of 32 micro-batches, each draws.
  [1, 32, { schedule: [{ heads: 0.5, neurons: 0.5, layers: 0.5 }] }],
  [3, 1, { schedule: [{ layers: 0.5, choose: 'first' }] }],
])('bytes are those of a plan: step %i', (kind, groups, est) => {
  const task = tasks[0]!;
  const { bytes, microBatches } = workOf(task, kinds[kind]!, 8);
  const { model, batchSize, sequenceLength } = task;
  const size = { batchSize, accumulationSteps: 8 * microBatches, sequenceLength };
  const [stage] = planRanks(model, parseTrainConfig({ model, output: 'run', steps: 10, ...size, est }), 8);
  expect(stage!.groups).toBe(groups);
  expect(stage!.sentFrom.gradients / (1.75 * bytes)).toBeCloseTo(1, 6);
});

test('what the page says of the tables holds', async () => {
  const speeds = await readSpeeds();
  for (const place of places) {
    for (const task of tasks) {
      const [dense, each, once, nested] = kinds.map((kind) => simulate(task, kind, place, speeds));
      // Drawn by each: as many bytes as dense, to a hundredth, and the worst line.
      expect(each!.bytes / dense!.bytes).toBeGreaterThan(0.99);
      expect(each!.efficiency).toBe(Math.min(...[dense, each, once, nested].map((time) => time!.efficiency)));
      for (const less of [once, nested]) expect(less!.bytes).toBeLessThan(0.7 * dense!.bytes);
      for (const { efficiency, overlapped, divided, throughHost = 0 } of [dense!, each!, once!, nested!]) {
        expect(divided).toBeGreaterThan(efficiency);
        expect(overlapped).toBeLessThanOrEqual(1);
        expect(overlapped).toBeGreaterThan(efficiency);
        expect(efficiency).toBeGreaterThan(throughHost);
      }
      // Within a host the copies take longer than NVLink; slow processors hardly notice.
      if (place === places[0]) expect((2 * dense!.bytes) / place.hostBytes!).toBeGreaterThan(dense!.exchange);
      if (place.isMeasured) expect(each!.efficiency).toBeGreaterThan(0.95);
    }
  }
});

test('the page is what the script writes', async () => {
  const page = await readFile('docs/scaling.md', 'utf8');
  const [begin, end] = markers;
  expect(page.split(begin)[1]!.split(end)[0]!.trim()).toBe((await tables()).trim());
});
