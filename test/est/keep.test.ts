// Which units a smaller model keeps.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkKeepRules, chooseUnits, keptCount, unitCount } from '../../lib/est/keep.ts';
import { smallConfig, smallLlama } from '../helpers/models.ts';

describe('chooseUnits', () => {
  test('a share takes the most important ones, in order; of equals the first', () => {
    expect(chooseUnits({ rate: 0.5 }, 4, Float64Array.of(0.1, 3, 2, 0.5))).toEqual(Int32Array.of(1, 2));
    expect(chooseUnits({ rate: 0.5 }, 4, Float64Array.of(0, 3, 0, 5))).toEqual(Int32Array.of(1, 3));
    expect(chooseUnits({ rate: 0.75 }, 4, new Float64Array(4))).toEqual(Int32Array.of(0, 1, 2));
    // More than ten units, in numerical order.
    expect(
      chooseUnits(
        { rate: 0.2 },
        15,
        Float64Array.from({ length: 15 }, (_, i) => i),
      ),
    ).toEqual(Int32Array.of(12, 13, 14));
    expect(
      chooseUnits(
        { rate: 0.3 },
        12,
        Float64Array.from({ length: 12 }, (_, i) => Number(i % 5 === 0)),
      ),
    ).toEqual(Int32Array.of(0, 1, 5, 10));
  });

  test('without importance they are evenly spread, the first and last among them', () => {
    expect(chooseUnits({ rate: 0.5 }, 6)).toEqual(Int32Array.of(0, 3, 5));
    expect(chooseUnits({ rate: 0.01 }, 6)).toEqual(Int32Array.of(0));
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (n, rate) => {
        const units = chooseUnits({ rate }, n);
        const count = keptCount({ rate }, n);
        expect(units === undefined).toBe(count === n);
        if (units === undefined) return;
        expect(units).toHaveLength(count);
        const steps = [...units].slice(1).map((unit, i) => unit - units[i]!);
        expect(Math.max(...steps, 1) - Math.min(...steps, Infinity)).toBeLessThanOrEqual(1);
        expect(Math.min(...steps, 1)).toBeGreaterThan(0);
        if (count > 1) expect([units[0], units.at(-1)]).toEqual([0, n - 1]);
      }),
    );
  });

  test('a list is taken as it is; all is no list', () => {
    expect(chooseUnits({ list: [0, 3] }, 4, Float64Array.of(0, 9, 9, 0))).toEqual(Int32Array.of(0, 3));
    expect(chooseUnits({ list: [0, 1, 2] }, 3)).toBeUndefined();
    expect(chooseUnits({ rate: 1 }, 3)).toBeUndefined();
    expect(chooseUnits(undefined, 3)).toBeUndefined();
  });
});

test('heads are key and value heads', () => {
  expect(['layers', 'heads', 'neurons'].map((kind) => unitCount(smallLlama(), kind as 'heads'))).toEqual([3, 2, 88]);
  expect(unitCount(smallConfig(), 'heads')).toBe(4);
});

test.each<[Parameters<typeof checkKeepRules>[1], string]>([
  [{ layers: { list: [1, 3] } }, 'layers to keep: expected ascending numbers from 0 to 2, received 3'],
  [{ heads: { list: [2] } }, 'heads to keep: expected ascending numbers from 0 to 1, received 2'],
  [{ neurons: { list: [2, 1] } }, 'neurons to keep: expected ascending numbers from 0 to 87, received 2,1'],
  [{ neurons: { list: [] } }, 'received none'],
  [{ neurons: { list: [0.5] } }, 'received 0.5'],
])('refuses %o', (rules, message) => {
  expect(() => checkKeepRules(smallLlama(), rules)).toThrow(message);
  expect(() => checkKeepRules(smallLlama(), { layers: { rate: 0.5 }, heads: { list: [1] } })).not.toThrow();
});
