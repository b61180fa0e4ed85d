// Means, norms and shares by hand; values that are no numbers are counted and left out.

import { expect, test } from 'vitest';
import { statisticsOf } from '../../lib/checkpoint/tensor-statistics.ts';

test.each([
  ['finite values', [3, -4, 0, 0], { mean: -0.25, norm: 5, nanShare: 0, infiniteShare: 0 }],
  ['some that are not', [3, NaN, -4, -Infinity], { mean: -0.5, norm: 5, nanShare: 0.25, infiniteShare: 0.25 }],
  ['none that is', [NaN, Infinity], { mean: null, norm: 0, nanShare: 0.5, infiniteShare: 0.5 }],
])('%s', (_, values, expected) => {
  expect(statisticsOf(Float32Array.from(values))).toEqual(expected);
});

test('sums are exact where float32 would not be', () => {
  const values = new Float32Array(1 << 20).fill(1).with(0, 2 ** 25);
  expect(statisticsOf(values).mean).toBe((2 ** 25 + (1 << 20) - 1) / (1 << 20));
  expect(statisticsOf(Float32Array.of(3e38, 4e38 / 2)).norm).toBeCloseTo(Math.hypot(3e38, 2e38), -32);
});
