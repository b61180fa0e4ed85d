// The table of a sweep, and the time that is left.

import { expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { flopsUpTo, planSchedule } from '../../lib/est/plan.ts';
import { Schedule } from '../../lib/est/schedule.ts';
import { expandRuns, type SweepRun } from '../../lib/sweep/expand.ts';
import { remainingMs } from '../../lib/sweep/progress.ts';
import { type RankedRun, rankGroups } from '../../lib/sweep/rank.ts';
import type { RunStatus } from '../../lib/sweep/run-status.ts';
import { parseSweep } from '../../lib/sweep/sweep-file.ts';

const runs = expandRuns(
  parseSweep(
    {
      output: 'runs/x',
      base: {},
      variants: { high: {}, low: {}, partial: {}, failed: {}, none: {} },
      seeds: [1, 2],
      baseline: 'high',
    },
    'x.yaml',
  ),
);

const ranked = (run: SweepRun, steps: number, status: RunStatus): RankedRun => ({
  ...run,
  steps,
  state: status.state,
  result: status.state === 'complete' ? status.result : null,
});

const complete = (loss: number): RunStatus => ({
  state: 'complete',
  result: { loss, blockFlops: 10 * loss, allFlops: 20 * loss, seconds: 30 * loss, threads: 1 },
});
const statuses: RunStatus[] = [
  complete(3),
  complete(4),
  complete(1),
  complete(1),
  { state: 'unfinished', step: 3 },
  complete(2),
  complete(0.5),
  { state: 'failed', step: 0, reason: 'diverged' },
  { state: 'new' },
  { state: 'foreign', reason: 'another' },
];

test('groups are ranked by mean loss, those with failed runs after others', () => {
  const ranking = rankGroups(runs.map((run, i) => ranked(run, 10, statuses[i]!)));
  expect(ranking.map(({ name }) => name)).toEqual(['low', 'partial', 'high', 'none', 'failed']);
  expect(ranking[2]).toEqual({
    name: 'high',
    variant: 'high',
    values: {},
    isBaseline: true,
    directories: ['runs/x/high/seed1', 'runs/x/high/seed2'],
    seeds: [1, 2],
    runs: 2,
    failed: 0,
    loss: { mean: 3.5, spread: Math.SQRT1_2, n: 2 },
    blockFlops: { mean: 35, spread: expect.closeTo(10 * Math.SQRT1_2), n: 2 },
    allFlops: { mean: 70, spread: expect.closeTo(20 * Math.SQRT1_2), n: 2 },
    seconds: { mean: 105, spread: expect.closeTo(30 * Math.SQRT1_2), n: 2 },
    gain: null,
  });
  expect(ranking[1]).toMatchObject({ seeds: [2], runs: 2, loss: { mean: 2, spread: null, n: 1 }, isBaseline: false });
  expect(ranking[3]).toMatchObject({ seeds: [], loss: null, seconds: null });
  expect(ranking[4]).toMatchObject({ failed: 1, loss: { mean: 0.5 } });
});

test('gains are against the curve of the baselines, seed by seed', () => {
  const variants = { short: {}, long: {}, grown: {} };
  const sweep = parseSweep(
    { output: 'runs/y', base: {}, variants, seeds: [1, 2], baseline: ['short', 'long'] },
    'y.yaml',
  );
  const point = (loss: number, flops: number, seconds: number): RunStatus => ({
    state: 'complete',
    result: { loss, blockFlops: flops, allFlops: 2 * flops, seconds, threads: 1 },
  });
  // The loss halves from 100 to 400 FLOPs; the grown run is half way on the logarithm, at 200, with 100 taken.
  const statuses = [
    ...[point(2, 100, 10), point(2.2, 100, 10)],
    ...[point(1, 400, 40), point(1.2, 400, 40)],
    ...[point(1.5, 100, 8), point(1.7, 100, 8)],
  ];
  const measured = expandRuns(sweep).map((run, i) => ranked(run, run.variant === 'short' ? 10 : 40, statuses[i]!));
  const grown = rankGroups(measured).find(({ name }) => name === 'grown')!;
  expect(grown.gain).toEqual({
    executedBlockFlops: { kind: 'exact', mean: expect.closeTo(2, 12), spread: expect.closeTo(0, 12), n: 2 },
    executedFlops: { kind: 'exact', mean: expect.closeTo(2, 12), spread: expect.closeTo(0, 12), n: 2 },
    trainSeconds: { kind: 'exact', mean: expect.closeTo(2.5, 12), spread: expect.closeTo(0, 12), n: 2 },
  });
});

test('seconds that are not known leave the rest of the table', () => {
  const measured = runs.map((run, i) => ranked(run, 10, statuses[i]!));
  const [first] = measured;
  const ranking = rankGroups([{ ...first!, result: { ...first!.result!, seconds: null } }, ...measured.slice(1)]);
  expect(ranking.find(({ name }) => name === 'high')).toMatchObject({ loss: { mean: 3.5 }, seconds: null });
});

test('FLOPs up to a step are those of its stages', () => {
  const model = parseModelConfig('gpt2-nano', 65);
  const plan = planSchedule(model, new Schedule('est-gpt2', 15), { sequencesPerStep: 4, sequenceLength: 8 });
  const [first, second] = plan.stages;
  expect(flopsUpTo(plan, 0)).toBe(0);
  expect(flopsUpTo(plan, 1)).toBe(first!.allFlops / 2);
  expect(flopsUpTo(plan, 2)).toBe(first!.allFlops);
  expect(flopsUpTo(plan, 5)).toBeCloseTo(first!.allFlops + (3 / 5) * second!.allFlops, -1);
  expect(flopsUpTo(plan, 15)).toBe(plan.allFlops);
});

test('the time left goes by the FLOPs per millisecond so far', () => {
  expect(remainingMs(300, 100, 50)).toBe(150);
  expect(remainingMs(0, 100, 50)).toBe(0);
  expect(remainingMs(300, 0, 50)).toBeNull();
});
