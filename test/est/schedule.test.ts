// Stages in steps: the presets by hand, the law that stages partition the run, ramps, target savings, and every error.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRate } from '../../lib/est/rates.ts';
import { Schedule, type StageConfig, scheduleNames } from '../../lib/est/schedule.ts';

const ends = (schedule: Schedule) => schedule.stages.map((stage) => stage.endStep);

/** Share of block FLOPs saved if a step costs layers * heads, which holds where heads and neurons have one rate. */
function nominalSaving(schedule: Schedule): number {
  let saved = 0;
  for (let step = 0; step < schedule.totalSteps; step++) {
    const { rates } = schedule.at(step);
    saved += 1 - (rates.layers as number) * (rates.heads as number);
  }
  return saved / schedule.totalSteps;
}

describe('presets', () => {
  test('est-gpt2 ends its stages after 20k, 70k and 150k of 150k steps and saves 26.67 %', () => {
    const schedule = new Schedule('est-gpt2', 150_000);
    expect(ends(schedule)).toEqual([20_000, 70_000, 150_000]);
    expect(schedule.at(0)).toEqual({ stageIndex: 0, rates: { heads: 0.5, neurons: 0.5, layers: 0.5 } });
    expect(schedule.at(19_999).stageIndex).toBe(0);
    expect(schedule.at(20_000)).toEqual({ stageIndex: 1, rates: { heads: 0.5, neurons: 0.5, layers: 1 } });
    expect(schedule.at(69_999).stageIndex).toBe(1);
    expect(schedule.at(70_000)).toEqual({ stageIndex: 2, rates: { heads: 1, neurons: 1, layers: 1 } });
    expect(schedule.at(149_999).stageIndex).toBe(2);
    expect(nominalSaving(schedule)).toBeCloseTo(4 / 15, 12);
  });

  test('est-tinyllama ends its stages after 10, 25 and 60 of 60 steps and saves 25 %', () => {
    const schedule = new Schedule('est-tinyllama', 60);
    expect(ends(schedule)).toEqual([10, 25, 60]);
    expect(nominalSaving(schedule)).toBeCloseTo(0.25, 12);
  });

  test('dense is one complete stage', () => {
    const schedule = new Schedule('dense', 10);
    expect(ends(schedule)).toEqual([10]);
    expect(schedule.isDense).toBe(true);
    expect(new Schedule('est-gpt2', 10).isDense).toBe(false);
  });

  test('boundaries round half up', () => {
    // 2/15 and 7/15 of 2000 are 266.67 and 933.33.
    expect(ends(new Schedule('est-gpt2', 2000))).toEqual([267, 933, 2000]);
    expect(ends(new Schedule([{ endFraction: 0.5 }, {}], 5))).toEqual([3, 5]);
  });

  test('a run too short for a stage leaves it empty', () => {
    const schedule = new Schedule('est-gpt2', 1);
    expect(ends(schedule)).toEqual([0, 0, 1]);
    expect(schedule.at(0).stageIndex).toBe(2);
    expect(schedule.isDense).toBe(true);
  });
});

test('stages partition every run', () => {
  const fractions = fc.uniqueArray(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { maxLength: 5 });
  fc.assert(
    fc.property(fractions, fc.integer({ min: 1, max: 300 }), (endFractions, totalSteps) => {
      const stages: StageConfig[] = endFractions
        .sort((a, b) => a - b)
        .map((endFraction) => ({ endFraction, heads: 0.5 }));
      const schedule = new Schedule([...stages, {}], totalSteps);
      let step = 0;
      for (const stage of schedule.stages) {
        expect(stage.startStep).toBe(step);
        for (; step < stage.endStep; step++) expect(schedule.at(step).stageIndex).toBe(stage.index);
      }
      expect(step).toBe(totalSteps);
    }),
  );
});

describe('ramps', () => {
  test('run linearly from the first to the last step of the stage, both exact', () => {
    const schedule = new Schedule([{ endStep: 5, layers: [0.2, 1], heads: [1, 0.5], neurons: 0.3 }, {}], 8);
    expect([0, 1, 2, 3, 4].map((step) => schedule.at(step).rates.layers)).toEqual([
      0.2,
      expect.closeTo(0.4),
      expect.closeTo(0.6),
      expect.closeTo(0.8),
      1,
    ]);
    expect(schedule.at(2).rates).toEqual({ layers: expect.closeTo(0.6), heads: 0.75, neurons: 0.3 });
    expect(schedule.stages[0]).toMatchObject({
      ratesFrom: { layers: 0.2, heads: 1, neurons: 0.3 },
      ratesTo: { layers: 1, heads: 0.5, neurons: 0.3 },
    });
    expect(schedule.at(5).rates).toEqual({ layers: 1, heads: 1, neurons: 1 });
  });

  test('a stage of one step has its first rates', () => {
    expect(new Schedule([{ endStep: 1, heads: [0.5, 1] }, {}], 2).at(0).rates.heads).toBe(0.5);
  });

  test('rates never leave (0, 1]', () => {
    const rate = fc.double({ min: 1e-6, max: 1, noNaN: true });
    fc.assert(
      fc.property(rate, rate, fc.integer({ min: 1, max: 50 }), (from, to, totalSteps) => {
        const schedule = new Schedule([{ heads: [from, to] }], totalSteps);
        for (let step = 0; step < totalSteps; step++) {
          const { heads } = schedule.at(step).rates;
          expect(isRate(heads)).toBe(true);
        }
      }),
    );
  });

  test('a ramp that leaves something out is not dense', () => {
    expect(new Schedule([{ layers: [0.5, 1] }], 10).isDense).toBe(false);
    expect(new Schedule([{ layers: [1, 1] }], 10).isDense).toBe(true);
  });
});

describe('forTargetSaving', () => {
  test('finds the stages of est-gpt2 for its own saving', () => {
    expect(ends(Schedule.forTargetSaving(4 / 15, 150_000))).toEqual([20_000, 70_000, 150_000]);
  });

  test('meets any reachable target to a quarter of a step', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 4 / 7, noNaN: true }),
        fc.integer({ min: 10, max: 500 }),
        (target, totalSteps) => {
          const schedule = Schedule.forTargetSaving(target, totalSteps);
          expect(Math.abs(nominalSaving(schedule) - target)).toBeLessThanOrEqual(0.251 / totalSteps);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('no saving is dense; the most leaves no complete stage', () => {
    expect(Schedule.forTargetSaving(0, 100).isDense).toBe(true);
    expect(ends(Schedule.forTargetSaving(4 / 7, 70))).toEqual([20, 70]);
  });

  test.each([0.6, -0.1, Number.NaN])('rejects %d', (target) => {
    expect(() => Schedule.forTargetSaving(target, 100)).toThrow(
      `target saving: expected a share of the block FLOPs from 0 to 0.5714 (both sampled stages filling the whole run), received ${target}`,
    );
  });
});

describe('errors', () => {
  test.each<[string, unknown]>([
    ['schedule: expected dense, est-gpt2, est-tinyllama, raptr', 'est-gpt3'],
    ['schedule: expected at least one stage, received an empty list', []],
    ['stage 1 of 2 of the schedule: expected endStep or endFraction, received neither', [{}, {}]],
    [
      'stage 1 of 2 of the schedule: expected endStep or endFraction, received both (3, 0.5)',
      [{ endStep: 3, endFraction: 0.5 }, {}],
    ],
    [
      "stage 1 of 2 of the schedule: expected endStep to be an integer from 1 to the run's 100 steps, received 101",
      [{ endStep: 101 }, {}],
    ],
    ["expected endStep to be an integer from 1 to the run's 100 steps, received 2.5", [{ endStep: 2.5 }, {}]],
    ['expected endFraction above 0 and at most 1, received 0', [{ endFraction: 0 }, {}]],
    ['expected endFraction above 0 and at most 1, received 1.5', [{ endFraction: 1.5 }, {}]],
    [
      'stage 2 of 3 of the schedule: expected to end after step 50, where it starts, received 33.33; order stages by end',
      [{ endStep: 50 }, { endFraction: 1 / 3 }, {}],
    ],
    ['stage 2 of 3 of the schedule: expected to end after step 50', [{ endStep: 50 }, { endStep: 50 }, {}]],
    ['stage 2 of 2 of the schedule: expected to end after step 100', [{ endFraction: 1 }, {}]],
    ['the last stage ends with the run, at step 100, received 90; leave its end out', [{ endStep: 90 }]],
    ['the last stage ends with the run, at step 100, received fraction 0.9', [{ endFraction: 0.9 }]],
    ['stage 1 of 1 of the schedule: expected heads to be a rate above 0 and at most 1', [{ heads: 0 }]],
    [
      'expected neurons to be a rate above 0 and at most 1 (a share, no number of units), {perLayer: [...]}, or a pair [from, to] of rates, received [0.5]',
      [{ neurons: [0.5] }],
    ],
    ['expected layers to be a rate', [{ layers: [0.5, 1.5] }]],
    [
      'expected layers to be a rate above 0 and at most 1 (a share, no number of units), {perLayer: [...]}',
      [{ layers: null }],
    ],
    ['schedule: expected dense, est-gpt2', undefined],
    ['or a list of stages, received 5', 5],
    ['stage 1 of 1 of the schedule: expected an object, received "dense"', ['dense']],
    ['stage 1 of 1 of the schedule: layer: unknown key; did you mean layers?', [{ layer: 0.5 }]],
    ['stage 1 of 1 of the schedule: expected to choose uniform or first, received "frist"', [{ choose: 'frist' }]],
    ['choose: expected an object of heads, neurons and layers', [{ choose: { layer: 'first' } }]],
    ['choose: expected an object of heads, neurons and layers', [{ choose: ['first'] }]],
    ['expected batchSize to be an integer of at least 1, received -2', [{ batchSize: -2 }]],
    ['expected groupsPerStep to be an integer of at least 1, auto or sequence', [{ groupsPerStep: 'many' }]],
    ['expected rescale to be true or false, received "no"', [{ rescale: 'no' }]],
    ['expected endFraction above 0 and at most 1, received "0.5"', [{ endFraction: '0.5' }, {}]],
    [
      'expected heads to ramp between lists of one length',
      [{ heads: [{ perLayer: [1, 1] }, { perLayer: [1, 1, 1] }] }],
    ],
    ['expected no transition, because nothing was trained before it', [{ transition: 'stack' }]],
    ['stage 2 of 2 of the schedule: expected a transition of layers keep, stack', [{ endStep: 9 }, { transition: 5 }]],
    ['received {"depth":"stack"}', [{ endStep: 9 }, { transition: { depth: 'stack' } }]],
    ['warmupFrom from 0 to below 1', [{ endStep: 9 }, { transition: { warmupFrom: '0.5' } }]],
  ])('%s', (message, stages) => {
    const build = () => new Schedule(stages as StageConfig[], 100);
    expect(build).toThrow(message);
    expect(build).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
  });

  test('a run or a step that does not exist', () => {
    expect(() => new Schedule('dense', 0)).toThrow('schedule: expected a run of at least 1 step, received 0');
    const schedule = new Schedule('est-gpt2', 100);
    for (const step of [-1, 100, 0.5, Number.NaN]) {
      expect(() => schedule.at(step)).toThrow(`schedule: expected a step from 0 to 99, received ${step}`);
    }
  });
});

test('every preset fits a run of any length', () => {
  for (const name of scheduleNames) {
    for (let totalSteps = 1; totalSteps < 50; totalSteps++) {
      expect(new Schedule(name, totalSteps).stages.at(-1)?.endStep).toBe(totalSteps);
    }
  }
});
