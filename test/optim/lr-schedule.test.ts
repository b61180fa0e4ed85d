// The learning rate at its documented points, by hand, and its laws.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type LearningRateConfig,
  learningRateAt,
  learningRateSchedules,
  warmupNotes,
} from '../../lib/optim/lr-schedule.ts';

const config = (change: Partial<LearningRateConfig> = {}): LearningRateConfig => ({
  learningRate: 1,
  minLearningRate: 0.1,
  schedule: 'cosine',
  warmupSteps: 10,
  ...change,
});

describe('warm-up', () => {
  test.each(learningRateSchedules)('%s rises as lr * (s + 1) / W, from the first update on', (schedule) => {
    const at = (step: number) => learningRateAt(config({ schedule }), step, 1000);
    expect([0, 1, 4, 9].map(at)).toEqual([0.1, 0.2, 0.5, 1]);
    expect(at(10)).toBe(1);
  });

  test('a run shorter than its warm-up never leaves it', () => {
    expect(learningRateAt(config({ warmupSteps: 100 }), 9, 10)).toBeCloseTo(0.1, 12);
  });
});

describe('after warm-up', () => {
  // W = 10 and 111 steps: the decay runs over steps 10 to 110, so r = (step - 10) / 100.
  test.each<[LearningRateConfig['schedule'], number, number]>([
    ['cosine', 10, 1],
    ['cosine', 35, 0.1 + 0.5 * (1 + Math.SQRT1_2) * 0.9],
    ['cosine', 60, 0.55],
    ['cosine', 110, 0.1],
    ['linear', 10, 1],
    ['linear', 60, 0.55],
    ['linear', 85, 0.325],
    ['linear', 110, 0.1],
    ['constant', 60, 1],
    ['constant', 110, 1],
  ])('%s at step %d is %d', (schedule, step, expected) => {
    expect(learningRateAt(config({ schedule }), step, 111)).toBeCloseTo(expected, 12);
  });

  test.each([
    [50, 1],
    [80, 1], // decay over the last 21 of 101 steps, 80 to 100: starts at the full rate
    [85, 0.1 + 0.9 * (1 - Math.sqrt(0.25))],
    [100, 0.1],
  ])('wsd at step %d is %d', (step, expected) => {
    expect(learningRateAt(config({ schedule: 'wsd', decayFraction: 0.2079 }), step, 101)).toBeCloseTo(expected, 12);
  });

  test('wsd decays over the last fifth unless told, and never before warm-up ends', () => {
    expect(learningRateAt(config({ schedule: 'wsd' }), 80, 100)).toBe(1);
    expect(learningRateAt(config({ schedule: 'wsd' }), 81, 100)).toBeLessThan(1);
    expect(learningRateAt(config({ schedule: 'wsd', decayFraction: 1 }), 10, 100)).toBe(1);
  });

  test('a run of one step uses the full rate; after the run the last rate holds', () => {
    for (const schedule of learningRateSchedules) {
      expect(learningRateAt(config({ schedule, warmupSteps: 0 }), 0, 1)).toBe(1);
      expect(learningRateAt(config({ schedule }), 500, 111)).toBe(learningRateAt(config({ schedule }), 110, 111));
    }
  });
});

test('rates stay within their bounds and never rise after warm-up', () => {
  const cases = fc.record({
    schedule: fc.constantFrom(...learningRateSchedules),
    warmupSteps: fc.integer({ min: 0, max: 20 }),
    decayFraction: fc.double({ min: 0.01, max: 1, noNaN: true }),
    totalSteps: fc.integer({ min: 1, max: 100 }),
  });
  fc.assert(
    fc.property(cases, ({ totalSteps, ...change }) => {
      let previous = Number.POSITIVE_INFINITY;
      for (let step = 0; step < totalSteps; step++) {
        const rate = learningRateAt(config(change), step, totalSteps);
        expect(rate).toBeGreaterThan(0);
        expect(rate).toBeLessThanOrEqual(1);
        if (step >= change.warmupSteps) {
          expect(rate).toBeLessThanOrEqual(previous);
          expect(rate).toBeGreaterThanOrEqual(0.1 - 1e-15);
          previous = rate;
        }
      }
    }),
  );
});

describe('notes on a warm-up', () => {
  const notes = (warmupSteps: number, totalSteps: number, firstStageSteps: number) =>
    warmupNotes(config({ warmupSteps }), totalSteps, firstStageSteps);

  test.each([
    [0, 10, 10],
    [10, 10, 10],
    [5, 10, 5],
  ])('none where it ends in time: %d steps of %d, stage 1 has %d', (...steps) => {
    expect(notes(...steps)).toEqual([]);
  });

  test('longer than the run, or than its first stage', () => {
    expect(notes(11, 10, 10)).toEqual([
      'the learning rate climbs for 11 steps (optimizer.warmupSteps), but the run has 10: 1 is never reached',
    ]);
    expect(notes(6, 10, 5)).toEqual([
      'the learning rate climbs for 6 steps (optimizer.warmupSteps), but stage 1 has 5: it never trains at 1',
    ]);
    expect(notes(1000, 10, 5)).toHaveLength(1);
  });
});
