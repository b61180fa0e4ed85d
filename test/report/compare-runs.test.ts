// Comparison of runs, against numbers worked out by hand.

import { describe, expect, test } from 'vitest';
import { compareRuns } from '../../lib/report/compare-runs.ts';
import { comparedGroups, comparisonRows, configDifferenceText, headline } from '../../lib/report/comparison-text.ts';
import { firstBelow, meanAndRange, smooth, valueAt } from '../../lib/report/curves.ts';
import type { RunData } from '../../lib/report/run-data.ts';
import type { TrainConfig } from '../../lib/train/train-config.ts';
import { completeRun, runOf } from './runs.ts';

const dense = { est: { schedule: 'dense' } };

describe('curves', () => {
  test('are linear between points, and end with them', () => {
    expect([0, 5, 10, 15, 20].map((x) => valueAt([0, 10, 20], [4, 2, 3], x))).toEqual([4, 3, 2, 2.5, 3]);
    expect([valueAt([0, 10], [4, 2], 11), valueAt([5, 10], [4, 2], 4)]).toEqual([null, null]);
    expect(valueAt([0, 10, null, 20], [4, null, 1, 2], 10)).toBe(3);
  });

  test('are first at or below a value between the points around it', () => {
    expect(firstBelow([0, 10, 20], [4, 2, 1], 3)).toBe(5);
    expect(firstBelow([0, 10, 20], [4, 2, 1], 2)).toBe(10);
    expect(firstBelow([0, 10, 20], [4, 2, 1], 0.5)).toBeNull();
    expect(firstBelow([3, 10], [1, 2], 1.5)).toBe(3);
  });

  test('are smoothed without a bias at the start', () => {
    expect(smooth([5, 5, 5], 0.9)).toEqual([5, 5, 5].map((value) => expect.closeTo(value, 12)));
    expect(smooth([2, null, 4], 0.5)).toEqual([2, null, expect.closeTo((0.5 * 0.5 * 2 + 0.5 * 4) / 0.75, 12)]);
    expect(smooth([1, 2], 0)).toEqual([1, 2]);
  });

  test('have a mean and a range as far as all of them reach', () => {
    const [a, b] = [
      { x: [0, 10, null, 20], y: [4, 2, 1, 1] },
      { x: [5, 10, 16], y: [3, 3, 0] },
    ];
    // At 5 a is 3, at 16 it is 1.4.
    expect(meanAndRange([b, a])).toEqual({
      x: [5, 10, 16],
      mean: [3, 2.5, expect.closeTo(0.7, 12)],
      low: [3, 2, 0],
      high: [3, 3, expect.closeTo(1.4, 12)],
    });
    // The places are those of the first, and the last that all reach.
    expect(meanAndRange([a, b]).x).toEqual([10, 16]);
    expect(meanAndRange([a, b]).mean).toEqual([2.5, expect.closeTo(0.7, 12)]);
    expect(meanAndRange([a]).mean).toEqual([4, 2, 1]);
    expect(meanAndRange([a, { x: [30], y: [1] }]).x).toEqual([]);
    expect(meanAndRange([a, { x: [null], y: [1] }]).x).toEqual([]);
  });
});

describe('comparison', () => {
  test('at equal steps, FLOPs and seconds', () => {
    const comparison = compareRuns([
      runOf('dense', [4, 3, 2], dense),
      runOf('est', [4, 2.5, 1.5], { flops: 5e5, seconds: 0.02 }),
    ]);
    const [est] = comparison.others;
    const at = (budget: string) => est!.equal.find((row) => row.budget === budget && row.part === 1);
    expect(at('step')).toMatchObject({
      at: 20,
      difference: -0.5,
      spread: null,
      baseline: { mean: 2 },
      other: { mean: 1.5 },
    });
    // Both have spent 1e7 FLOPs: dense after 10 steps, est after 20.
    expect(at('executedFlops')).toMatchObject({ at: 1e7, baseline: { mean: 3 }, other: { mean: 1.5 } });
    // Both have spent 0.2 s: dense after 20 steps, est after 10.
    expect(at('trainSeconds')).toMatchObject({ at: 0.2, baseline: { mean: 2 }, other: { mean: 2.5 } });
    // est is at 2 after 15 steps: 7.5e6 of 2e7 FLOPs, 0.3 of 0.2 seconds.
    expect(est!.toReach.map(({ ratio }) => ratio)).toEqual([0.75, 0.375, expect.closeTo(1.5, 12)]);
    expect(headline(comparison, est!)).toBe(
      'est needed 37.5 % of its executed FLOPs (7.50 MFLOP) and 150.0 % of its seconds (0.3 s) to reach the final loss of dense, 2.0000',
    );
    expect(comparisonRows(est!)[3]).toEqual(['steps, 100 %', '20 steps', '2.0000', '1.5000', '0.5000 lower']);
  });

  test('runs that differ by seed are one group, with mean and spread', () => {
    const comparison = compareRuns([
      runOf('dense-1', [4, 3, 2.1], { ...dense, seed: 1 }),
      runOf('est-1', [4, 3, 2.4], { seed: 1 }),
      runOf('dense-2', [4, 3, 1.9], { ...dense, seed: 2, output: 'elsewhere', threads: 1 }),
      runOf('est-2', [4, 3, 2.2], { seed: 2 }),
    ]);
    expect(comparison.baseline).toMatchObject({ runs: ['dense-1', 'dense-2'], seeds: [1, 2] });
    expect(comparison.baseline.finalLoss).toEqual({ mean: 2, spread: expect.closeTo(Math.sqrt(0.02), 12), n: 2 });
    expect(comparison.others).toHaveLength(1);
    const [est] = comparison.others;
    expect(est!.equal[3]).toMatchObject({ difference: expect.closeTo(0.3, 12), spread: expect.closeTo(0.2, 12) });
    expect(headline(comparison, est!)).toBe(
      'est-1 (2 seeds) did not reach the final loss of dense-1 (2 seeds), 2.0000: its lowest is 2.3000, 0.3000 higher',
    );
    expect(comparisonRows(est!)[0]!.at(-1)).toBe('0.0000 within ± 0.0000');
  });

  test.each<[string, RunData[], RegExp]>([
    ['one evaluation', [runOf('a', [4]), runOf('b', [4, 3])], /^runs\/a: expected at least two evaluations .* found 1/],
    [
      'one configuration',
      [runOf('a', [4, 3]), runOf('b', [4, 3], { seed: 2 })],
      /at least two configurations, .*runs\/a/,
    ],
  ])('%s is not enough', (_, runs, message) => {
    expect(() => compareRuns(runs)).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) }),
    );
  });

  test('says which keys of the configurations differ, all of them', () => {
    const schedule = [{ endStep: 5, layers: 0.5 }, {}];
    const comparison = compareRuns([
      runOf('dense-1', [4, 3, 2], { ...dense, seed: 1, evaluation: { every: 10 } }),
      runOf('dense-2', [4, 3, 2], { ...dense, seed: 2 }),
      runOf('other', [4, 3, 2], { est: { schedule }, seed: 1, optimizer: { learningRate: 1e-3 }, output: 'elsewhere' }),
    ]);
    expect(comparison.others[0]!.differences.map(configDifferenceText)).toEqual([
      'seed: 1, 2 -> 1',
      'est.schedule: dense -> [{endStep: 5, layers: 0.5}, {}]',
      'optimizer.learningRate: 0.0006 -> 0.001',
      'optimizer.minLearningRate: 0.00006 -> 0.0001',
      'evaluation.every: 10, 250 -> 250',
    ]);
  });

  test('of a run whose file does not say its configuration, no keys', () => {
    const unknown = { ...runOf('unknown', [4, 3, 2]), start: undefined };
    const { others, gain } = compareRuns([runOf('dense', [4, 3, 2], dense), unknown]);
    expect([others[0]!.differences, gain]).toEqual([[], null]);
  });

  test('keys that an older version did not know yet set nothing apart', () => {
    const old = runOf('old', [4, 3, 2], dense);
    const { inactive: _, ...optimizer } = old.start!.config.optimizer;
    old.start!.config = { ...old.start!.config, optimizer: optimizer as TrainConfig['optimizer'] };
    expect(() => compareRuns([old, runOf('new', [4, 3, 2], { ...dense, seed: 2 })])).toThrow(/differ by seed at most/);
  });

  test('without dense runs of two lengths there is no gain, and a line says so', () => {
    const one = compareRuns([completeRun('dense', 20, 2, dense), completeRun('est', 20, 2.1)]);
    expect(one.gain).toBeNull();
    expect(one.notes).toEqual([
      'a compute gain needs complete dense runs of two lengths or more that differ in steps and seed only, found one: 20 steps (dense)',
    ]);
    const none = compareRuns([completeRun('a', 20, 2), completeRun('b', 30, 2.1)]);
    expect(none.notes[0]).toMatch(/found none$/);
  });

  test('dense runs on the curve are compared one by one only where there is nothing else', () => {
    const curve = [completeRun('short', 20, 3, dense), completeRun('long', 40, 2, dense)];
    expect(comparedGroups(compareRuns(curve)).map(({ name }) => name)).toEqual(['long']);
    const all = compareRuns([...curve, completeRun('est', 40, 2.5)]);
    expect(all.others.map(({ name }) => name)).toEqual(['long', 'est']);
    expect(comparedGroups(all).map(({ name }) => name)).toEqual(['est']);
  });
});
