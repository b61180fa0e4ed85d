// What a run may go on with: which keys may change on purpose, what counts as a change, and what an earlier one leaves behind.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { Schedule, type StageConfig } from '../../lib/est/schedule.ts';
import { type ConfigChange, continueConfig, type RunSoFar } from '../../lib/train/config-changes.ts';
import { parseTrainConfig, type TrainConfig } from '../../lib/train/train-config.ts';

type Overrides = Record<string, unknown>;

/** est-gpt2 over 15 steps: its stages end after 2, 7 and 15. */
const base = { model: 'gpt2-tiny', output: 'run', steps: 15, batchSize: 4, optimizer: { learningRate: 3e-3 } };
const ends: StageConfig[] = [
  { endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 },
  { endStep: 7, heads: 0.5, neurons: 0.5 },
  {},
];

function runOf(overrides: Overrides = {}, soFar: Partial<RunSoFar> = {}): RunSoFar {
  const config = JSON.parse(JSON.stringify(parseTrainConfig({ ...base, ...overrides })));
  return { directory: 'run/checkpoint', step: 7, config, changes: [], precision: 'float32', vocabSize: 64, ...soFar };
}

function resume(run: RunSoFar, overrides: Overrides = {}, changes: string[] = [], precision = 'float32') {
  return continueConfig(run, { config: parseTrainConfig({ ...base, ...overrides }), precision, changes });
}

/** The run after such a change. */
function changed(run: RunSoFar, overrides: Overrides, changes: string[]): RunSoFar {
  const { config, made } = resume(run, overrides, changes);
  expect(made.length).toBeGreaterThan(0);
  return { ...run, config: JSON.parse(JSON.stringify(config)), changes: [...run.changes, ...made] };
}

describe('on purpose', () => {
  const optimizer = (overrides: object) => ({ optimizer: { ...base.optimizer, ...overrides } });
  test.each<[string, Overrides, unknown, unknown]>([
    ['steps', { steps: 11, est: { schedule: 'dense' } }, 15, 11],
    ['steps', { steps: 1000, est: { schedule: 'dense' } }, 15, 1000],
    ['est.groupsPerStep', { est: { schedule: 'dense', groupsPerStep: 2 } }, 'auto', 2],
    [
      'est.schedule',
      { est: { schedule: [{ endStep: 10 }, { heads: 0.5 }] } },
      'dense',
      [{ endStep: 10 }, { heads: 0.5 }],
    ],
    ['optimizer.minLearningRate', optimizer({ minLearningRate: 1e-5 }), 3e-4, 1e-5],
    ['optimizer.schedule', optimizer({ schedule: 'wsd' }), 'cosine', 'wsd'],
    ['optimizer.warmupSteps', optimizer({ warmupSteps: 9 }), 0, 9],
    ['optimizer.decayFraction', optimizer({ decayFraction: 0.5 }), 0.2, 0.5],
    ['optimizer.beta1', optimizer({ beta1: 0.8 }), 0.9, 0.8],
    ['optimizer.beta2', optimizer({ beta2: 0.99 }), 0.95, 0.99],
    ['optimizer.epsilon', optimizer({ epsilon: 1e-6 }), 1e-8, 1e-6],
    ['optimizer.weightDecay', optimizer({ weightDecay: 0 }), 0.1, 0],
    ['optimizer.gradientClip', optimizer({ gradientClip: 0.5 }), 1, 0.5],
    ['optimizer.inactive', optimizer({ inactive: 'freeze' }), 'zero-grad', 'freeze'],
  ])('%s changes, and nothing else does', (key, overrides, from, to) => {
    const dense = { est: { schedule: 'dense' } };
    const run = runOf(dense);
    const { config, made, kept } = resume(run, { ...dense, ...overrides }, [key]);
    expect(made).toEqual([{ step: 7, key, from: typeof from === 'number' ? expect.closeTo(from, 12) : from, to }]);
    expect(kept).toEqual([]);
    expect(config).toEqual(parseTrainConfig({ ...base, ...dense, ...overrides }));
    // Not on purpose, it is refused, with the way to do it.
    expect(() => resume(run, { ...dense, ...overrides })).toThrow(
      new RegExp(`\\n  ${key}: the run has .*\\n.*\\nto go on with other values, .*: --resume --set '?${key}=`),
    );
    // The key's section says as much.
    expect(resume(run, { ...dense, ...overrides }, [key.split('.')[0]!]).made).toHaveLength(1);
  });

  test('the default of the lowest learning rate follows the highest', () => {
    const { made } = resume(runOf(), { optimizer: { learningRate: 1e-3 } }, ['optimizer.learningRate']);
    expect(made.map(({ key, to }) => [key, to])).toEqual([
      ['optimizer.learningRate', 1e-3],
      ['optimizer.minLearningRate', 1e-4],
    ]);
    // One that was given does not.
    const given = { learningRate: 3e-3, minLearningRate: 1e-5 };
    expect(() =>
      resume(runOf({ optimizer: given }), { optimizer: { learningRate: 1e-3 } }, ['optimizer.learningRate']),
    ).toThrow('another configuration:\n  optimizer.minLearningRate: the run has 0.00001, the configuration 0.0001\n');
  });

  test.each<[string, Overrides]>([
    ['model.nLayer', { model: { preset: 'gpt2-tiny', nLayer: 3 } }],
    ['model.vocabSize', { model: { preset: 'gpt2-tiny', vocabSize: 65 } }],
    ['initFrom', { initFrom: 'runs/a' }],
    ['seed', { seed: 2 }],
    ['batchSize', { batchSize: 8 }],
    ['sequenceLength', { sequenceLength: 16 }],
    ['accumulationSteps', { accumulationSteps: 2 }],
    ['est.neuronMultiple', { est: { neuronMultiple: 2 } }],
    ['est.neuronBlock', { est: { neuronBlock: 2 } }],
    ['est.headSampling', { est: { headSampling: 'query' } }],
    ['est.keepFirst', { est: { keepFirst: 1 } }],
    ['est.keepLast', { est: { keepLast: 1 } }],
    ['est.layerScale', { est: { layerScale: 'inverse' } }],
  ])('%s never changes', (key, overrides) => {
    for (const changes of [[], [key], [key.split('.')[0]!]]) {
      expect(() => resume(runOf(), overrides, changes)).toThrow(
        expect.objectContaining({
          code: 'ERR_BURGEON_CONFIG',
          message: expect.stringMatching(
            new RegExp(`\\n  ${key}: the run has .*\\n.*\\nonly steps, .* can change within a run`),
          ),
        }),
      );
    }
  });

  test('precision never changes, whatever decides it', () => {
    expect(() => resume(runOf(), { precision: 'bf16' }, ['precision'], 'bf16')).toThrow(
      '\n  precision: the run has "float32", the configuration "bf16"\n',
    );
    expect(() => resume(runOf(), {}, [], 'bf16')).toThrow(
      '\n  precision: the run has "float32", the configuration "bf16" on this device\n',
    );
  });

  test('what decides nothing may change as ever, and is no change', () => {
    const overrides = {
      output: path.resolve('elsewhere'),
      evaluation: { every: 1, windows: 'all' },
      sample: { every: 3, prompt: 'x' },
      checkpoint: { every: 2, keepLast: 5, keepBest: false },
      log: { every: 2 },
      threads: 1,
      device: 'reference',
    };
    for (const changes of [[], Object.keys(overrides)]) {
      expect(resume(runOf(), overrides, changes)).toEqual({
        config: parseTrainConfig({ ...base, ...overrides }),
        made: [],
        kept: [],
      });
    }
  });

  test('a key is meant by something inside it', () => {
    const schedule = [
      { endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endStep: 9, heads: 0.5, neurons: 0.5 },
      {},
    ];
    expect(resume(runOf(), { est: { schedule } }, ['est.schedule.1.endStep']).made).toMatchObject([
      { key: 'est.schedule' },
    ]);
    for (const other of ['est', 'est.schedules', 'est.sched', 'steps']) {
      const attempt = () => resume(runOf(), { est: { schedule } }, [other]);
      if (other === 'est') expect(attempt().made).toHaveLength(1);
      else expect(attempt).toThrow('another configuration');
    }
  });

  test('values that do not go together are refused', () => {
    const run = changed(runOf(), { optimizer: { learningRate: 1e-3 } }, ['optimizer.learningRate']);
    // The file still has the higher rate, the run no longer.
    const optimizer = { learningRate: 3e-3, minLearningRate: 2e-3 };
    expect(() => resume(run, { optimizer }, ['optimizer.minLearningRate'])).toThrow(
      'invalid training configuration in run/checkpoint with these changes:\n  optimizer.minLearningRate: expected at most learningRate (0.001), received 0.002',
    );
  });
});

describe('steps', () => {
  test('more than are done', () => {
    const dense = { est: { schedule: 'dense' } };
    expect(() => resume(runOf(dense), { ...dense, steps: 7 }, ['steps'])).toThrow(
      'cannot resume run/checkpoint with these changes:\n  steps: expected more than the 7 that are done, received 7',
    );
    expect(resume(runOf(dense), { ...dense, steps: 8 }, ['steps']).made).toHaveLength(1);
    const complete = runOf(dense, { step: 15 });
    const decay = { ...dense, optimizer: { ...base.optimizer, weightDecay: 0 } };
    expect(() => resume(complete, decay, ['optimizer.weightDecay'])).toThrow(
      'received 15; the run is complete, set steps as well',
    );
    expect(resume(complete, { ...decay, steps: 16 }, ['optimizer.weightDecay', 'steps']).made).toHaveLength(2);
    expect(resume(complete, dense, ['steps'])).toMatchObject({ made: [], kept: [] });
  });

  test('where stages in fractions would move, it says which, and what to give', () => {
    expect(() => resume(runOf(), { steps: 30 }, ['steps'])).toThrow(
      `cannot resume run/checkpoint with these changes:\n  est.schedule: stage 1 ended after step 2 and would end after step 4, but what is done stays as it is; set stages with their ends in steps, such as --set 'est.schedule=${JSON.stringify(ends)}'`,
    );
    const { made } = resume(runOf(), { steps: 30, est: { schedule: ends } }, ['steps', 'est.schedule']);
    expect(made.map(({ key }) => key)).toEqual(['steps', 'est.schedule']);
    // Before the first step that would differ there is nothing to move.
    expect(resume(runOf({}, { step: 2 }), { steps: 16 }, ['steps']).made).toHaveLength(1);
    expect(() => resume(runOf({}, { step: 2 }), { steps: 30 }, ['steps'])).not.toThrow();
    expect(() => resume(runOf({}, { step: 3 }), { steps: 30 }, ['steps'])).toThrow('stage 1 ended after step 2');
  });

  test('stages of the file, if they are those of the run in steps, need no mention', () => {
    const { made } = resume(runOf(), { steps: 30, est: { schedule: ends } }, ['steps']);
    expect(made.map(({ key, to }) => [key, to])).toEqual([
      ['steps', 30],
      ['est.schedule', ends],
    ]);
    const other = [{ endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 }, { endStep: 8, heads: 0.5 }, {}];
    expect(() => resume(runOf(), { steps: 30, est: { schedule: other } }, ['steps'])).toThrow(
      'est.schedule: the run has "est-gpt2"',
    );
  });

  test('random pairs of schedules: taken exactly where all steps done were alike', () => {
    const rng = new CounterRng(11, 0);
    let taken = 0;
    for (let i = 0; i < 400; i++) {
      const steps = 4 + rng.nextBelow(24);
      const stages = randomStages(rng, steps);
      const done = 1 + rng.nextBelow(steps);
      const now = done + 1 + rng.nextBelow(30);
      // Half of the time the stages of before, maybe in another length; else others, which may begin alike.
      const otherStages =
        rng.nextBelow(2) === 0 ? fit(stages, now) : fit([stages[0]!, ...randomStages(rng, now).slice(1)], now);
      if (otherStages === undefined) continue;
      const [before, after] = [new Schedule(stages, steps), new Schedule(otherStages, now)];
      const isAlike = Array.from({ length: done }, (_, step) => [before.at(step), after.at(step)]).every(
        ([a, b]) => JSON.stringify(a) === JSON.stringify(b),
      );
      const attempt = () =>
        resume(
          runOf({ steps, est: { schedule: stages } }, { step: done }),
          { steps: now, est: { schedule: otherStages } },
          ['steps', 'est.schedule'],
        );
      if (isAlike) {
        taken++;
        const { config } = attempt();
        const schedule = new Schedule(config.est.schedule, config.steps);
        for (let step = 0; step < now; step++) expect(schedule.at(step)).toEqual(after.at(step));
      } else expect(attempt, JSON.stringify({ stages, steps, done, otherStages, now })).toThrow('what is done stays');
    }
    expect(taken).toBeGreaterThan(60);
    expect(taken).toBeLessThan(300);
  });
});

/** One to four stages that fit the run, ending at steps or fractions, some with ramps. */
function randomStages(rng: CounterRng, steps: number): StageConfig[] {
  const rate = () => (1 + rng.nextBelow(4)) / 4;
  const ends = [...new Set(Array.from({ length: rng.nextBelow(4) }, () => 1 + rng.nextBelow(steps - 1)))].sort(
    (a, b) => a - b,
  );
  const inSteps = rng.nextBelow(2) === 0;
  return [...ends.map((end) => (inSteps ? { endStep: end } : { endFraction: end / steps })), {}].map((end) => ({
    ...end,
    heads: rng.nextBelow(5) === 0 ? [rate(), rate()] : rate(),
    layers: rate(),
  }));
}

/** The stages, if a run of so many steps can have them. */
function fit(stages: StageConfig[], steps: number): StageConfig[] | undefined {
  try {
    new Schedule(stages, steps);
    return stages;
  } catch {
    return undefined;
  }
}

describe('written otherwise is no change', () => {
  const none = { made: [], kept: [] };

  test('a schedule', () => {
    expect(resume(runOf(), { est: { schedule: ends } })).toMatchObject(none);
    expect(resume(runOf({ est: { schedule: ends } }), {})).toMatchObject(none);
    expect(() => resume(runOf(), { est: { schedule: 'dense' } })).toThrow(
      'est.schedule: the run has "est-gpt2", the configuration "dense"',
    );
  });

  test('groups', () => {
    for (const groupsPerStep of [4, 'sequence', 7])
      expect(resume(runOf(), { est: { groupsPerStep } })).toMatchObject(none);
    for (const groupsPerStep of [1, 3])
      expect(() => resume(runOf(), { est: { groupsPerStep } })).toThrow('est.groupsPerStep');
    const accumulated = { batchSize: 2, accumulationSteps: 8 };
    expect(resume(runOf(accumulated), { ...accumulated, est: { groupsPerStep: 8 } })).toMatchObject(none);
    expect(() => resume(runOf(accumulated), { ...accumulated, est: { groupsPerStep: 4 } })).toThrow(
      'est.groupsPerStep',
    );
  });

  test('a precision; the one given is what is computed in', () => {
    expect(resume(runOf(), { precision: 'float32' })).toMatchObject({ ...none, config: { precision: 'float32' } });
    const run = runOf({ precision: 'bf16' }, { precision: 'bf16' });
    expect(resume(run, {}, [], 'bf16')).toMatchObject({ ...none, config: { precision: 'auto' } });
  });

  test('a model to start from: left out, or the same path; it is remembered', () => {
    const run = runOf({ initFrom: 'runs/a' });
    for (const initFrom of ['runs/a', './runs/b/../a', path.resolve('runs/a')]) {
      expect(resume(run, { initFrom })).toMatchObject({ ...none, config: { initFrom: 'runs/a' } });
    }
    expect(resume(run, {})).toMatchObject({ ...none, config: { initFrom: 'runs/a' } });
    expect(() => resume(run, { initFrom: 'runs/b' })).toThrow(
      'initFrom: the run has "runs/a", the configuration "runs/b"',
    );
  });

  test("a vocabulary that is the data's", () => {
    const model = { preset: 'gpt2-tiny', vocabSize: 64 };
    expect(resume(runOf(), { model })).toMatchObject(none);
    expect(resume(runOf({ model }), {})).toMatchObject(none);
  });
});

describe('a configuration stored by another version', () => {
  /** Removes keys, given with dots. */
  function without(run: RunSoFar, ...keys: string[]): RunSoFar {
    const config = structuredClone(run.config) as Record<string, never>;
    for (const key of keys) {
      const parts = key.split('.');
      const section = parts.slice(0, -1).reduce<Record<string, never>>((inner, part) => inner[part]!, config);
      delete section[parts.at(-1)!];
    }
    return { ...run, config };
  }

  test('keys that were added with a default since are no difference', () => {
    const run = without(
      runOf(),
      'est.layerScale',
      'optimizer.inactive',
      'accumulationSteps',
      'precision',
      'log',
      'model.layerNormEpsilon',
    );
    const { config, made } = resume(run);
    expect(made).toEqual([]);
    expect(config).toEqual(parseTrainConfig(base));
    // Another value than the default is one.
    expect(() => resume(run, { est: { layerScale: 'inverse' } })).toThrow(
      'est.layerScale: the run has "none", the configuration "inverse"',
    );
    expect(resume(run, { optimizer: { ...base.optimizer, inactive: 'freeze' } }, ['optimizer']).made).toHaveLength(1);
  });

  test('a key that decided nothing and is no more is passed over', () => {
    const run = runOf();
    const { config } = resume({ ...run, config: { ...run.config, backend: 'cpu', sample: { often: true } } });
    expect(config).toEqual(parseTrainConfig(base));
  });

  test('one that did is compared as it was stored', () => {
    const run = runOf();
    const est = { ...(run.config.est as object), shuffle: true };
    expect(() => resume({ ...run, config: { ...run.config, est } })).toThrow(
      'est.shuffle: the run has true, the configuration nothing',
    );
  });

  test('every shipped or given configuration, stored and read again, is the same', () => {
    const configs: Overrides[] = [
      { model: { preset: 'llama-15m', ropeScaling: { type: 'linear', factor: 2 }, nKvHead: 2 } },
      { est: { schedule: [{ endFraction: '2/15', heads: [0.25, 0.5] }, {}], groupsPerStep: 'sequence' } },
      { data: { train: 'a/*.bin', validation: ['b.bin'] }, device: 'cuda:1', precision: 'bf16', threads: 3 },
    ];
    for (const overrides of configs) {
      const precision = overrides.precision === undefined ? 'float32' : 'bf16';
      const { config, made } = resume(runOf(overrides, { precision }), overrides, [], precision);
      expect({ config, made }).toEqual({ config: parseTrainConfig({ ...base, ...overrides }), made: [] });
    }
  });
});

describe('after a change', () => {
  const rate = (learningRate: number): Overrides => ({ optimizer: { learningRate } });
  const rateKeys = ['optimizer.learningRate', 'optimizer.minLearningRate'];

  test('the configuration as it was goes on with the changed values, and says so', () => {
    const run = changed(runOf(), rate(1e-3), ['optimizer.learningRate']);
    const later = { ...run, step: 9 };
    const { config, made, kept } = resume(later);
    expect(config).toEqual(parseTrainConfig({ ...base, ...rate(1e-3) }));
    expect(made).toEqual([]);
    expect(kept.map(({ step, key, to }) => [step, key, to])).toEqual([
      [7, rateKeys[0], 1e-3],
      [7, rateKeys[1], 1e-4],
    ]);
    expect(kept[0]!.from).toBe(3e-3);
  });

  test('the same change again, or the changed configuration, is none', () => {
    const run = changed(runOf(), rate(1e-3), ['optimizer.learningRate']);
    expect(resume(run, rate(1e-3), ['optimizer.learningRate'])).toMatchObject({ made: [], kept: [] });
    expect(resume(run, rate(1e-3))).toMatchObject({ made: [], kept: [] });
  });

  test('a value that the run never had is refused', () => {
    const run = changed(runOf(), rate(1e-3), ['optimizer.learningRate']);
    expect(() => resume(run, rate(2e-3))).toThrow(
      "  optimizer.learningRate: the run has 0.001, the configuration 0.002\n  optimizer.minLearningRate: the run has 0.0001, the configuration 0.0002\nuse the run's own values, or start a new run with another output\nto go on with other values, change them on purpose: --resume --set optimizer.learningRate=0.002",
    );
  });

  test('the first value can come back on purpose', () => {
    const run = { ...changed(runOf(), rate(1e-3), ['optimizer.learningRate']), step: 9 };
    const { config, made } = resume(run, {}, ['optimizer.learningRate']);
    expect(made.map(({ step, key, from, to }): ConfigChange => ({ step, key, from, to }))).toMatchObject([
      { step: 9, key: rateKeys[0], from: 1e-3, to: 3e-3 },
      { step: 9, key: rateKeys[1], from: 1e-4 },
    ]);
    expect(config).toEqual(parseTrainConfig(base));
  });

  test('a second change leaves the first in force', () => {
    const first = changed(runOf(), { steps: 30, est: { schedule: ends } }, ['steps', 'est']);
    const second = changed({ ...first, step: 20 }, rate(1e-3), ['optimizer']);
    const expected = parseTrainConfig({
      ...base,
      ...rate(1e-3),
      steps: 30,
      est: { schedule: ends },
    }) satisfies TrainConfig;
    const { config, kept } = resume({ ...second, step: 25 });
    expect(config).toEqual(expected);
    expect(kept.map(({ key, step }) => [key, step])).toEqual([
      ['steps', 7],
      ['est.schedule', 7],
      [rateKeys[0], 20],
      [rateKeys[1], 20],
    ]);
    // Also where the file has the first schedule in other words.
    const written = { est: { schedule: [{ ...ends[0], layers: [0.5, 0.5] }, ends[1], {}] } };
    expect(() => resume({ ...second, step: 25 }, written)).not.toThrow();
    // Longer once more: what is done then was stages in steps.
    const third = resume({ ...second, step: 30 }, { steps: 40 }, ['steps']);
    expect(third.config).toEqual({ ...expected, steps: 40 });
  });
});
