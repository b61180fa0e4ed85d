// The compute gain, against numbers worked out by hand and the laws of the curve.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addLine } from '../../lib/report/add-line.ts';
import {
  type CurvePoint,
  computeGain,
  denseCurve,
  type FinishedRun,
  finishedRun,
  gainAt,
  monotone,
} from '../../lib/report/compute-gain.ts';
import { gainText } from '../../lib/report/gain-text.ts';
import { axes, emptyColumns, type RunData, stepColumns } from '../../lib/report/run-data.ts';
import { startLine, validationLine } from './metrics-lines.ts';

/** Spends 10 block FLOPs, 20 FLOPs and 0.5 s per step, unless told otherwise. */
function finished(steps: number, loss: number, { seed = 1, share = 1 } = {}): FinishedRun {
  const spent = {
    executedBlockFlops: 10 * steps * share,
    executedFlops: 20 * steps,
    trainSeconds: steps / 2,
  };
  return { name: `${steps}-${seed}`, seed, steps, loss, spent };
}

/** Loss falls by 1 with every doubling: needed = 100 * 2^(4 - loss) steps. */
const perfect = [finished(100, 4), finished(200, 3), finished(400, 2)];

describe('the gain', () => {
  test('is what dense training needs over what was taken, linear over the logarithm of the budget', () => {
    const curve = denseCurve(perfect)!;
    expect(curve.mean.executedBlockFlops).toEqual([
      { budget: 1000, loss: 4 },
      { budget: 2000, loss: 3 },
      { budget: 4000, loss: 2 },
    ]);
    // 2.5 takes 100 * 2^1.5 = 282.8 dense steps: 2828 block FLOPs, 5657 FLOPs, 141.4 s. The run took 2000, 8000, 200 s.
    const run = finished(400, 2.5, { share: 0.5 });
    const { gain, runs } = computeGain(curve, [run]);
    expect(gain.executedBlockFlops).toEqual({
      kind: 'exact',
      mean: expect.closeTo(Math.SQRT2, 12),
      spread: null,
      n: 1,
    });
    expect(gain.executedFlops!.mean).toBeCloseTo(Math.SQRT1_2, 12);
    expect(gain.trainSeconds!.mean).toBeCloseTo(Math.SQRT1_2, 12);
    expect(runs[0]!.gain.executedBlockFlops).toEqual({ kind: 'exact', factor: expect.closeTo(Math.SQRT2, 12) });
    expect(gainText(gain.executedBlockFlops)).toBe('1.41');
  });

  test('of a dense run on the curve is 1', () => {
    const curve = denseCurve(perfect)!;
    for (const run of perfect) {
      expect(computeGain(curve, [run]).gain.executedFlops!.mean).toBeCloseTo(1, 12);
    }
  });

  test('beyond the curve is bounded by its end, and not claimed', () => {
    const curve = denseCurve(perfect)!;
    const better = computeGain(curve, [finished(200, 1.9)]).gain.executedBlockFlops;
    expect(better).toEqual({ kind: 'more than', mean: 2, spread: null, n: 1 });
    expect(gainText(better)).toBe('> 2.00');
    const worse = computeGain(curve, [finished(200, 4.1)]).gain.executedBlockFlops;
    expect(gainText(worse)).toBe('< 0.50');
    // Between exact and beyond: the mean is a bound, and has no spread.
    const mixed = computeGain(curve, [finished(200, 2), finished(200, 1.9, { seed: 2 })]).gain.executedBlockFlops;
    expect(mixed).toEqual({ kind: 'more than', mean: 2, spread: null, n: 2 });
    const both = computeGain(curve, [finished(200, 4.1), finished(200, 1.9, { seed: 2 })]).gain.executedBlockFlops;
    expect(both).toBeNull();
    expect(gainText(both)).toBe('–');
  });

  test('is paired by seed where a seed has dense runs of every length', () => {
    const dense = [
      ...[finished(100, 4), finished(400, 2)],
      ...[finished(100, 4.4, { seed: 2 }), finished(400, 2.4, { seed: 2 })],
      finished(100, 3.8, { seed: 3 }),
    ];
    const curve = denseCurve(dense)!;
    expect(curve.lengths.map(({ steps, loss }) => [steps, loss.n])).toEqual([
      [100, 3],
      [400, 2],
    ]);
    expect(curve.seeds.map(({ seed }) => seed)).toEqual([1, 2]);
    // Seed 1 needs 200 steps for 3, seed 2 for 3.4. Of both, 3.4 would be 100 * 4^((4.0667 - 3.4) / 1.8667).
    const runs = [1, 2, 3].map((seed) => finished(100, seed === 1 ? 3 : 3.4, { seed }));
    const { gain, runs: each } = computeGain(curve, runs);
    expect(each.map(({ isPaired }) => isPaired)).toEqual([true, true, false]);
    const factors = each.map((run) => run.gain.executedBlockFlops!.factor);
    const unpaired = 4 ** ((12.2 / 3 - 3.4) / (12.2 / 3 - 2.2));
    expect(factors).toEqual([2, 2, unpaired].map((factor) => expect.closeTo(factor, 12)));
    const mean = (4 + unpaired) / 3;
    const spread = Math.sqrt((2 * (2 - mean) ** 2 + (unpaired - mean) ** 2) / 2);
    expect(gain.executedBlockFlops).toEqual({
      kind: 'exact',
      mean: expect.closeTo(mean, 12),
      spread: expect.closeTo(spread, 12),
      n: 3,
    });
  });

  test('needs two lengths', () => {
    expect(denseCurve([])).toBeUndefined();
    expect(denseCurve([finished(100, 4), finished(100, 3.9, { seed: 2 })])).toBeUndefined();
  });

  test('is left out in a budget that is not known of all', () => {
    const unknown = (run: FinishedRun): FinishedRun => ({ ...run, spent: { ...run.spent, executedBlockFlops: null } });
    const curve = denseCurve([perfect[0]!, unknown(perfect[1]!)])!;
    expect(curve.mean.executedBlockFlops).toBeNull();
    expect(computeGain(curve, [finished(150, 3.5)]).gain).toMatchObject({
      executedBlockFlops: null,
      executedFlops: { kind: 'exact' },
    });
    const run = unknown(finished(150, 3.5));
    expect(computeGain(denseCurve(perfect)!, [run]).gain.executedBlockFlops).toBeNull();
  });
});

describe('a run is a point', () => {
  function runOf(...evaluated: number[]): RunData {
    const validation = emptyColumns([...axes, 'loss']);
    const run = {
      name: 'r',
      starts: [] as object[],
      changes: [] as object[],
      steps: emptyColumns(stepColumns),
      validation,
    } as RunData;
    addLine(run, startLine({ steps: 30, seed: 7 }));
    for (const step of evaluated) addLine(run, validationLine(step, 4 - step / 10));
    return run;
  }

  test('at its end', () => {
    expect(finishedRun(runOf(0, 15, 30))).toEqual({
      name: 'r',
      seed: 7,
      steps: 30,
      loss: 1,
      spent: { executedBlockFlops: 2.4e7, executedFlops: 3e7, trainSeconds: 0.3 },
    });
  });

  test('and none before, while the learning rate is high', () => {
    expect(finishedRun(runOf(0, 15, 29))).toBeUndefined();
    expect(finishedRun(runOf())).toBeUndefined();
    expect(finishedRun({ ...runOf(0, 30), start: undefined })).toBeUndefined();
  });
});

describe('the monotone curve', () => {
  const points = fc.uniqueArray(
    fc.record({
      budget: fc.integer({ min: 1, max: 1e6 }),
      loss: fc.double({ min: 0.1, max: 10, noNaN: true }),
      weight: fc.integer({ min: 1, max: 5 }),
    }),
    { minLength: 2, maxLength: 12, selector: ({ budget }) => budget },
  );

  test('pools neighbours that rise, weighted by their runs', () => {
    const rising = [
      { budget: 4, loss: 2, weight: 1 },
      { budget: 1, loss: 4, weight: 1 },
      { budget: 3, loss: 3.3, weight: 2 },
      { budget: 2, loss: 3, weight: 1 },
    ];
    expect(monotone(rising)).toEqual([
      { budget: 1, loss: 4 },
      { budget: 2, loss: expect.closeTo(3.2, 12) },
      { budget: 3, loss: expect.closeTo(3.2, 12) },
      { budget: 4, loss: 2 },
    ]);
    // On the flat part the smallest budget counts.
    expect(gainAt(monotone(rising), monotone(rising)[1]!.loss, 1).factor).toBeCloseTo(2, 12);
  });

  test('never rises, keeps budgets and the weighted mean, and leaves what never rises alone', () => {
    fc.assert(
      fc.property(points, (given) => {
        const curve = monotone(given);
        const sorted = given.toSorted((a, b) => a.budget - b.budget);
        expect(curve.map(({ budget }) => budget)).toEqual(sorted.map(({ budget }) => budget));
        const total = (values: number[]) => values.reduce((sum, value, i) => sum + value * sorted[i]!.weight, 0);
        expect(total(curve.map(({ loss }) => loss))).toBeCloseTo(total(sorted.map(({ loss }) => loss)), 8);
        for (const [i, { loss }] of curve.entries()) {
          if (i > 0) expect(loss).toBeLessThanOrEqual(curve[i - 1]!.loss);
        }
        expect(monotone(curve.map((point) => ({ ...point, weight: 1 })))).toEqual(curve);
      }),
    );
  });

  test('is no farther from the points than any other that never rises', () => {
    const distance = (curve: readonly CurvePoint[], given: readonly (CurvePoint & { weight: number })[]) =>
      given.reduce((sum, { loss, weight }, i) => sum + weight * (loss - curve[i]!.loss) ** 2, 0);
    fc.assert(
      fc.property(
        points,
        fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 12, maxLength: 12 }),
        (given, others) => {
          const sorted = given.toSorted((a, b) => a.budget - b.budget);
          const falling = others.toSorted((a, b) => b - a);
          const other = sorted.map(({ budget }, i) => ({ budget, loss: falling[i]! }));
          expect(distance(monotone(sorted), sorted)).toBeLessThanOrEqual(distance(other, sorted) + 1e-9);
        },
      ),
    );
  });

  test('a lower loss never needs less', () => {
    fc.assert(
      fc.property(
        points,
        fc.double({ min: 0, max: 11, noNaN: true }),
        fc.double({ min: 0, max: 11, noNaN: true }),
        (given, a, b) => {
          const curve = monotone(given);
          const [lower, higher] = [gainAt(curve, Math.min(a, b), 1), gainAt(curve, Math.max(a, b), 1)];
          expect(lower.factor).toBeGreaterThanOrEqual(higher.factor * (1 - 1e-12));
          for (const { factor } of [lower, higher]) {
            expect(factor).toBeGreaterThanOrEqual(curve[0]!.budget * (1 - 1e-12));
            expect(factor).toBeLessThanOrEqual(curve.at(-1)!.budget * (1 + 1e-12));
          }
        },
      ),
    );
  });
});
