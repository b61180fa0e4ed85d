// Comparison of runs, against numbers worked out by hand.

import { describe, expect, test } from 'vitest';
import { addLine } from '../../lib/report/add-line.ts';
import { compareRuns } from '../../lib/report/compare-runs.ts';
import { comparisonRows, headline } from '../../lib/report/comparison-text.ts';
import { firstBelow, smooth, valueAt } from '../../lib/report/curves.ts';
import { axes, emptyColumns, type RunData, stepColumns } from '../../lib/report/run-data.ts';
import { startLine, validationLine } from './metrics-lines.ts';

/** A run with these losses at steps 0, 10, 20 ...; a step costs `flops` and `seconds`. */
function runOf(
  name: string,
  losses: number[],
  { flops = 1e6, seconds = 0.01, ...config }: Record<string, unknown> & { flops?: number; seconds?: number } = {},
): RunData {
  const run = {
    name,
    directory: `runs/${name}`,
    starts: [] as object[],
    changes: [] as object[],
    steps: emptyColumns(stepColumns),
    validation: emptyColumns([...axes, 'loss']),
    step: 0,
  } as RunData;
  addLine(run, startLine(config));
  losses.forEach((loss, i) => {
    const step = 10 * i;
    addLine(run, validationLine(step, loss, { executedFlops: flops * step, trainSeconds: seconds * step }));
  });
  return run;
}

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
    expect(comparisonRows(est!)[0]!.at(-1)).toBe('0.0000 ± 0.0000: within the spread of the seeds');
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
});
