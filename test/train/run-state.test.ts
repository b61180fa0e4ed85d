// What may and may not change between a run and its continuation.

import { expect, test } from 'vitest';
import { continueRunState, newRunState } from '../../lib/train/run-state.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

const base = { model: 'gpt2-tiny', output: 'run', steps: 10, batchSize: 4, seed: 5, optimizer: { learningRate: 2e-3 } };
const tokensOf = (tokens: number) => ({ tokens, sample: 'a', shards: null });
const data = { train: tokensOf(1000), validation: null, usedWithin: null };
const saved = () => JSON.parse(JSON.stringify({ ...newRunState(parseTrainConfig(base), data), step: 7, tokens: 896 }));

const checkpoint = (state: Record<string, unknown>) => ({
  directory: 'run/checkpoint-00000007',
  state,
  vocabSize: 64,
});
const precisionOf = () => 'float32';

function resumeWith(overrides: object, trainTokens = 1000) {
  const config = parseTrainConfig({ ...base, ...overrides });
  const found = { ...data, train: tokensOf(trainTokens) };
  return continueRunState(checkpoint(saved()), { config, precisionOf, changes: [], data: found });
}

test('goes on with the state as it was and the configuration as it is', () => {
  const overrides = {
    output: 'elsewhere',
    evaluation: { every: 1, windows: 'all' },
    sample: { every: 3, prompt: 'x' },
    checkpoint: { every: 2, keepLast: 5, keepBest: false },
    log: { every: 2 },
    threads: 1,
    device: 'reference',
  };
  const { state } = resumeWith(overrides);
  expect(state).toEqual({
    ...saved(),
    config: parseTrainConfig({ ...base, ...overrides }),
    precision: 'float32',
  });
});

test('lists every key that differs, with both values', () => {
  const other = {
    model: { preset: 'gpt2-tiny', nLayer: 3, vocabSize: 99 },
    seed: 6,
    steps: 11,
    batchSize: 2,
    sequenceLength: 16,
    accumulationSteps: 2,
    est: { schedule: 'dense', groupsPerStep: 1, neuronBlock: 2, keepFirst: 1, layerScale: 'inverse' },
    optimizer: { learningRate: 1e-3, beta2: 0.99, inactive: 'freeze' },
  };
  expect(() => resumeWith(other)).toThrow(
    expect.objectContaining({
      code: 'ERR_BURGEON_CONFIG',
      message: [
        'cannot resume run/checkpoint-00000007 with another configuration:',
        'model.nLayer: the run has 2, the configuration 3',
        'model.vocabSize: the run has 64, the configuration 99',
        'seed: the run has 5, the configuration 6',
        'steps: the run has 10, the configuration 11',
        'batchSize: the run has 4, the configuration 2',
        'sequenceLength: the run has 32, the configuration 16',
        'accumulationSteps: the run has 1, the configuration 2',
        'est.schedule: the run has "est-gpt2", the configuration "dense"',
        'est.groupsPerStep: the run has "auto", the configuration 1',
        'est.neuronBlock: the run has 1, the configuration 2',
        'est.keepFirst: the run has 0, the configuration 1',
        'est.layerScale: the run has "none", the configuration "inverse"',
        'optimizer.learningRate: the run has 0.002, the configuration 0.001',
        'optimizer.beta2: the run has 0.95, the configuration 0.99',
        'optimizer.inactive: the run has "zero-grad", the configuration "freeze"',
        // Derived from the learning rate, and so different too.
        'optimizer.minLearningRate: the run has 0.0002, the configuration 0.0001',
      ]
        .join('\n  ')
        .concat(
          "\nuse the run's own values, or start a new run with another output",
          '\nonly steps, est.schedule, est.groupsPerStep and optimizer can change within a run; with initFrom a new run starts from its weights',
        ),
    }),
  );
});

test('a schedule written out is compared as a whole', () => {
  const schedule = [{ endStep: 5, heads: 0.5 }, {}];
  expect(() => resumeWith({ est: { schedule } })).toThrow(
    'est.schedule: the run has "est-gpt2", the configuration [{"endStep":5,"heads":0.5},{}]',
  );
});

test('refuses other training data', () => {
  expect(() => resumeWith({}, 999)).toThrow(
    expect.objectContaining({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining('expected 1000 tokens, found 999'),
    }),
  );
});

test('a state of an earlier version has no changes and no precision; from now on it has both', () => {
  const { changes: _, ...earlier } = saved();
  const config = parseTrainConfig({ ...base, optimizer: { learningRate: 1e-3, minLearningRate: 2e-4 } });
  const wanted = { config, precisionOf: () => 'bf16', changes: ['optimizer.learningRate'], data };
  const { state, made } = continueRunState(checkpoint(earlier), wanted);
  const change = { step: 7, key: 'optimizer.learningRate', from: 2e-3, to: 1e-3 };
  expect(made).toEqual([change]);
  expect(state).toEqual({ ...saved(), config, changes: [change], precision: 'bf16' });
  // Later changes come after it, and the recorded precision counts.
  const later = { ...wanted, config: parseTrainConfig({ ...config, steps: 20 }), changes: ['steps'] };
  const stored = JSON.parse(JSON.stringify(state));
  expect(() => continueRunState(checkpoint(stored), { ...later, precisionOf })).toThrow(
    /precision: the run has "bf16"/,
  );
  expect(() => continueRunState(checkpoint(stored), later)).toThrow(
    /stage 1 ended after step 1 and would end after step 3/,
  );
  const longer = { ...later, config: parseTrainConfig({ ...config, steps: 11 }) };
  expect(continueRunState(checkpoint(stored), longer).state.changes).toEqual([
    change,
    { step: 7, key: 'steps', from: 10, to: 11 },
  ]);
});

test('refuses a state of another version', () => {
  const wanted = { config: parseTrainConfig(base), precisionOf, changes: [], data };
  expect(() => continueRunState(checkpoint({ ...saved(), version: 2 }), wanted)).toThrow(
    expect.objectContaining({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: expect.stringContaining('expected a run state of version 1, found 2'),
    }),
  );
});
