// What is said of a peak: which one a precision has, and when the machine was busy. Measuring it is in doctor's test.

import { expect, test } from 'vitest';
import { busyNote, measurePeak, peakFlops } from '../../lib/addon/peak.ts';

const peak = { flopsPerSecond: 1e11, bf16FlopsPerSecond: 3e11, bytesPerSecond: 1e10, processorShare: 1 };

test('a share of the peak is of the precision', () => {
  expect(peakFlops(peak, 'float32')).toBe(1e11);
  expect(peakFlops(peak, 'bf16')).toBe(3e11);
});

test('a busy machine is named', () => {
  expect(busyNote(peak)).toBe(undefined);
  expect(busyNote({ ...peak, processorShare: 0.95 })).toBe(undefined);
  expect(busyNote({ ...peak, processorShare: 0.58 })).toMatch(/^other processes took 42 % of the processor/);
});

test('the share that is measured is one', async () => {
  // More threads than processors take turns, and are no sign of others.
  for (const threads of [1, 4]) {
    const { processorShare, flopsPerSecond } = await measurePeak(threads);
    expect(processorShare).toBeGreaterThan(0);
    expect(processorShare).toBeLessThanOrEqual(1);
    expect(flopsPerSecond).toBeGreaterThan(1e8);
  }
});
