// Schedules of a run that goes on: what is done must have been trained alike, and stages in steps keep it so.

import { describe, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { Schedule, type StageConfig } from '../../lib/est/schedule.ts';
import { describeMove, isSameSchedule, withFixedEnds } from '../../lib/est/schedule-change.ts';

const half: StageConfig[] = [{ endStep: 4, heads: 0.5 }, { endStep: 10, neurons: 0.5 }, {}];

describe('isSameSchedule', () => {
  test('goes by what a step is trained with, not by how it is written', () => {
    const written: StageConfig[] = [
      { endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endStep: 7, heads: 0.5, neurons: 0.5, layers: 1 },
      {},
    ];
    expect(isSameSchedule('est-gpt2', written, 15)).toBe(true);
    expect(isSameSchedule('est-gpt2', written, 30)).toBe(false);
    expect(
      isSameSchedule(
        [{ endFraction: 0.25, heads: 0.5 }, {}],
        [{ endStep: 5, heads: [0.5, 0.5] }, { endFraction: 1 }],
        20,
      ),
    ).toBe(true);
  });

  test('is false for stages that do not fit the run', () => {
    expect(isSameSchedule(half, half, 20)).toBe(true);
    expect(isSameSchedule(half, half, 10)).toBe(false);
  });
});

describe('describeMove', () => {
  const before = new Schedule(half, 20);

  test.each<[string, StageConfig[], number, string | undefined]>([
    [
      'a later end of the stage that goes on',
      [{ endStep: 4, heads: 0.5 }, { endStep: 30, neurons: 0.5 }, {}],
      10,
      undefined,
    ],
    [
      'an end that is earlier than the steps done',
      [{ endStep: 4, heads: 0.5 }, { endStep: 9, neurons: 0.5 }, {}],
      10,
      'stage 2 ended after step 10 and would end after step 9',
    ],
    ['the same, not yet done', [{ endStep: 4, heads: 0.5 }, { endStep: 9, neurons: 0.5 }, {}], 9, undefined],
    [
      'a later end of a stage that is over',
      [{ endStep: 5, heads: 0.5 }, { endStep: 10, neurons: 0.5 }, {}],
      5,
      'stage 1 ended after step 4 and would end after step 5',
    ],
    [
      'other rates',
      [{ endStep: 4, heads: 0.25 }, { endStep: 10, neurons: 0.5 }, {}],
      1,
      'step 1, in stage 1, had {"rates":{"heads":0.5,"neurons":1,"layers":1}} and would have {"rates":{"heads":0.25,"neurons":1,"layers":1}}',
    ],
    ['a ramp from the same rate, at its first step', [{ endStep: 4, heads: [0.5, 1] }, {}], 1, undefined],
    [
      'a ramp from the same rate, later',
      [{ endStep: 4, heads: [0.5, 0.8] }, {}],
      2,
      'step 2, in stage 1, had {"rates":{"heads":0.5,"neurons":1,"layers":1}} and would have {"rates":{"heads":0.6,"neurons":1,"layers":1}}',
    ],
    [
      'the same rates under other numbers',
      [{ endStep: 2, heads: 0.5 }, { endStep: 4, heads: 0.5 }, { endStep: 10, neurons: 0.5 }, {}],
      4,
      'stage 1 ended after step 4 and would end after step 2',
    ],
    ['anything, before the first step', [{}], 0, undefined],
  ])('%s', (_, stages, done, expected) => {
    expect(describeMove(before, new Schedule(stages, 40), done)).toBe(expected);
  });
});

describe('withFixedEnds', () => {
  test('keeps the ends where they are', () => {
    const before = new Schedule('est-gpt2', 15);
    expect(withFixedEnds('est-gpt2', before, 30, 15)).toEqual([
      { endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endStep: 7, heads: 0.5, neurons: 0.5 },
      {},
    ]);
  });

  test('has no answer where the last ramp would be stretched, or a stage has no steps', () => {
    const ramp: StageConfig[] = [{ heads: [0.5, 1] }];
    expect(withFixedEnds(ramp, new Schedule(ramp, 10), 20, 5)).toBeUndefined();
    expect(withFixedEnds(ramp, new Schedule(ramp, 10), 20, 1)).toEqual(ramp);
    expect(withFixedEnds('est-gpt2', new Schedule('est-gpt2', 3), 30, 2)).toBeUndefined();
  });

  test('what it gives leaves the steps done as they were, for random schedules', () => {
    const rng = new CounterRng(7, 0);
    let answers = 0;
    for (let i = 0; i < 300; i++) {
      const length = 4 + rng.nextBelow(40);
      const stages = randomStages(rng);
      const before = new Schedule(stages, length);
      const done = rng.nextBelow(length + 1);
      const longer = length + 1 + rng.nextBelow(60);
      const fixed = withFixedEnds(stages, before, longer, done);
      if (fixed === undefined) continue;
      answers++;
      const after = new Schedule(fixed, longer);
      for (let step = 0; step < done; step++) expect(after.at(step)).toEqual(before.at(step));
    }
    expect(answers).toBeGreaterThan(100);
  });
});

/** One to four stages in fractions of the run, some with ramps. */
function randomStages(rng: CounterRng): StageConfig[] {
  const ends = [...new Set(Array.from({ length: rng.nextBelow(4) }, () => (1 + rng.nextBelow(19)) / 20))].sort(
    (a, b) => a - b,
  );
  const rate = () => (1 + rng.nextBelow(4)) / 4;
  return [...ends, 1].map((endFraction) => ({
    endFraction,
    heads: rng.nextBelow(4) === 0 ? [rate(), rate()] : rate(),
    layers: rate(),
  }));
}
