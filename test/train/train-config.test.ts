// Defaults, cross-checks and messages of the training configuration.

import { describe, expect, test } from 'vitest';
import { normalizeName } from '../../lib/config/familiar-names.ts';
import { scheduleNames, schedulePresets } from '../../lib/est/schedule-presets.ts';
import { parseTrainConfig, trainConfigKeys } from '../../lib/train/train-config.ts';

const least = { model: 'gpt2-nano', output: 'run', steps: 100, batchSize: 4 };

/** The lines of problems that parsing reports, without the heading. */
function problems(input: unknown): string[] {
  try {
    parseTrainConfig(input);
  } catch (error) {
    expect(error).toMatchObject({ name: 'BurgeonError', code: 'ERR_BURGEON_CONFIG' });
    const [heading, ...lines] = (error as Error).message.split('\n  ');
    expect(heading).toBe('invalid training configuration:');
    return lines;
  }
  return [];
}

describe('parseTrainConfig', () => {
  test('fills in every default', () => {
    expect(parseTrainConfig(least)).toEqual({
      model: {
        architecture: 'gpt2',
        nLayer: 4,
        nHead: 4,
        nEmbd: 128,
        nInner: 512,
        contextLength: 64,
        layerNormEpsilon: 1e-5,
      },
      data: {},
      output: 'run',
      seed: 1,
      steps: 100,
      batchSize: 4,
      sequenceLength: 64,
      accumulationSteps: 1,
      est: {
        schedule: 'est-gpt2',
        groupsPerStep: 'auto',
        neuronMultiple: 1,
        headSampling: 'group',
        neuronBlock: 1,
        keepFirst: 0,
        keepLast: 0,
        layerScale: 'none',
      },
      optimizer: {
        type: 'adamw',
        learningRate: 6e-4,
        minLearningRate: expect.closeTo(6e-5, 12),
        schedule: 'cosine',
        warmupSteps: 0,
        decayFraction: 0.2,
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        momentum: 0.95,
        weightDecay: 0.1,
        cautiousWeightDecay: false,
        gradientClip: 1,
        inactive: 'zero-grad',
        shard: false,
      },
      evaluation: { every: 250, windows: 64 },
      sample: { every: 0, prompt: '', length: 200, temperature: 0.8, topK: 0, topP: 1 },
      checkpoint: { every: 0, everyMinutes: 10, keepLast: 2, keepBest: true },
      log: { every: 1, peakFlops: 'measured' },
      threads: 'auto',
      device: 'auto',
      precision: 'auto',
    });
  });

  test('a complete configuration is its own result, so a saved one can be read again', () => {
    const config = parseTrainConfig({
      ...least,
      data: { train: 'a/*.bin', validation: ['b.bin', 'c.bin'] },
      est: { schedule: [{ endFraction: '2/15', heads: [0.5, 1] }, {}], groupsPerStep: 'sequence' },
      evaluation: { windows: 'all' },
      threads: 2,
    });
    expect(config.data).toEqual({ train: ['a/*.bin'], validation: ['b.bin', 'c.bin'] });
    expect(parseTrainConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test('fractions of the run may be text', () => {
    const written = ['2/15', ' 7 / 15 '].map((endFraction) => ({ endFraction }));
    const { schedule } = parseTrainConfig({ ...least, est: { schedule: [...written, {}] } }).est;
    const [first, second] = schedulePresets['est-gpt2'].stages;
    expect(schedule).toEqual([{ endFraction: first.endFraction }, { endFraction: second.endFraction }, {}]);
  });

  test('an empty section or value counts as left out', () => {
    expect(parseTrainConfig({ ...least, est: null, data: undefined, seed: null })).toEqual(parseTrainConfig(least));
  });

  test('0 and "" are values', () => {
    const config = parseTrainConfig({
      ...least,
      optimizer: { gradientClip: 0, minLearningRate: 0 },
      sample: { prompt: '' },
    });
    expect(config.optimizer).toMatchObject({ gradientClip: 0, minLearningRate: 0 });
  });
});

describe('problems', () => {
  test('are all reported together, one per line', () => {
    expect(
      problems({
        model: { preset: 'gpt2-nano', nHead: 3 },
        steps: 'many',
        batchSize: 0,
        optimizer: { learningrate: 1, beta1: 2 },
        est: { schedule: [{ endFraction: '2/0', haeds: 3 }, { heads: [1] }] },
        evaluatoin: {},
      }),
    ).toEqual([
      'model.nHead: expected a divisor of nEmbd (128), received 3',
      'output: expected the path of a directory, received nothing',
      'steps: expected an integer of at least 1, received "many"',
      'batchSize: expected an integer from 1 to 1048576, received 0',
      'est.schedule[0].endFraction: expected a number above 0 and at most 1, or a fraction such as "2/15", received "2/0"',
      'est.schedule[0].haeds: unknown key; did you mean est.schedule[0].heads?',
      'est.schedule[1].heads: expected a rate above 0 and at most 1 (a share, no number of units), {perLayer: [...]}, or a pair [from, to] of rates, received [1]',
      'optimizer.beta1: expected a number from 0 to below 1 in float32, received 2',
      'optimizer.learningrate: unknown key; did you mean optimizer.learningRate?',
      'evaluatoin: unknown key; did you mean evaluation?',
    ]);
  });

  test.each<[string, object]>([
    // Values that are 0, 1 or infinite in what the engine computes in.
    [
      'optimizer.epsilon: expected a number above 0 that float32 can hold (1.2e-38 to 3.4e38), received 1e-50',
      { optimizer: { epsilon: 1e-50 } },
    ],
    [
      'optimizer.learningRate: expected a number above 0 that float32 can hold (1.2e-38 to 3.4e38), received 1e-39',
      { optimizer: { learningRate: 1e-39 } },
    ],
    [
      'optimizer.weightDecay: expected 0, or a number that float32 can hold (1.2e-38 to 3.4e38), received 1e-60',
      { optimizer: { weightDecay: 1e-60 } },
    ],
    [
      'optimizer.gradientClip: expected 0, or a number that float32 can hold (1.2e-38 to 3.4e38), received 1e+39',
      { optimizer: { gradientClip: 1e39 } },
    ],
    [
      'optimizer.beta2: expected a number from 0 to below 1 in float32, received 0.9999999999',
      { optimizer: { beta2: 0.9999999999 } },
    ],
    ['sequenceLength: expected at most model.contextLength (64), received 65', { sequenceLength: 65 }],
    [
      'optimizer.minLearningRate: expected at most learningRate (0.001), received 0.01',
      { optimizer: { learningRate: 1e-3, minLearningRate: 0.01 } },
    ],
    [
      'data: expected directory, or train and validation, received both; leave one out',
      { data: { directory: 'data', train: 'a.bin' } },
    ],
    ['data.train: expected a file pattern or a list of them, received []', { data: { train: [] } }],
    [
      `est.schedule: expected one of ${scheduleNames.join(', ')} or a list of stages, received "est"`,
      { est: { schedule: 'est' } },
    ],
    [
      `est.schedule: expected one of ${scheduleNames.join(', ')} or a list of stages, received "est-gtp2"; ` +
        'did you mean est-gpt2?',
      { est: { schedule: 'est-gtp2' } },
    ],
    ['est: schedule: expected at least one stage, received an empty list', { est: { schedule: [] } }],
    [
      "est: stage 1 of 2 of the schedule: expected endStep to be an integer from 1 to the run's 100 steps, received 101",
      { est: { schedule: [{ endStep: 101 }, {}] } },
    ],
    [
      'est: stage 1 of 3: keepFirst + keepLast: expected at most the 2 of 4 layers that are active at layer rate 0.5, received 0 + 3; ' +
        'keep fewer layers or raise the rate',
      { est: { keepLast: 3 } },
    ],
    ['est: neuronBlock: expected a divisor of the 512 MLP neurons, received 3', { est: { neuronBlock: 3 } }],
    [
      'est.groupsPerStep: expected an integer of at least 1 or "auto" or "sequence", received 0',
      { est: { groupsPerStep: 0 } },
    ],
    ['est.layerScale: expected one of none, inverse, received 1', { est: { layerScale: 1 } }],
    [
      'evaluation.windows: expected an integer of at least 1 or "all", received "some"',
      { evaluation: { windows: 'some' } },
    ],
    ['checkpoint.keepBest: expected true or false, received "yes"', { checkpoint: { keepBest: 'yes' } }],
    ['sample.prompt: expected text, received 5', { sample: { prompt: 5 } }],
    ['sample: expected a section (a mapping of keys), received []', { sample: [] }],
    ['seed: expected an integer, received 1.5', { seed: 1.5 }],
    [
      'optimizer.learningRate: expected a number above 0 that float32 can hold (1.2e-38 to 3.4e38), received NaN',
      { optimizer: { learningRate: Number.NaN } },
    ],
    [
      'optimizer.weightDecay: expected 0, or a number that float32 can hold (1.2e-38 to 3.4e38), received -1',
      { optimizer: { weightDecay: -1 } },
    ],
    ['sample.topP: expected a number above 0 and at most 1, received 0', { sample: { topP: 0 } }],
    ['device: expected auto, cpu, cuda, cuda:<number> or reference, received "tpu"', { device: 'tpu' }],
    ['backend: unknown key; did you mean device?', { backend: 'cpu' }],
    [
      'output: expected the path of a directory, received {"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...',
      { output: { a: 'x'.repeat(99) } },
    ],
  ])('%s', (message, change) => {
    expect(problems({ ...least, ...change })).toEqual([message]);
  });

  test('no configuration at all', () => {
    expect(problems(null)).toEqual([
      "model: expected a preset's name or a section of model fields, received nothing",
      'output: expected the path of a directory, received nothing',
      'steps: expected an integer of at least 1, received nothing',
      'batchSize: expected an integer from 1 to 1048576, received nothing',
    ]);
    expect(problems(3)).toEqual(['expected a section (a mapping of keys), received 3']);
  });
});

describe('unknown keys', () => {
  test.each<[string, string, object]>([
    ['optimizer.learning_rate', 'optimizer.learningRate', { optimizer: { learning_rate: 1 } }],
    ['learningRate', 'optimizer.learningRate', { learningRate: 1 }],
    ['lr', 'optimizer.learningRate', { lr: 1 }],
    ['optimizer.grad_clip', 'optimizer.gradientClip', { optimizer: { grad_clip: 1 } }],
    ['max_iters', 'steps', { max_iters: 1 }],
    ['block_size', 'sequenceLength', { block_size: 1 }],
    ['n_layer', 'model.nLayer', { n_layer: 1 }],
    ['schedule', 'est.schedule or optimizer.schedule', { schedule: 'dense' }],
    ['est.heads', 'est.schedule[].heads or est.schedule[].choose.heads', { est: { heads: 0.5 } }],
    ['checkpoint.keeplast', 'checkpoint.keepLast', { checkpoint: { keeplast: 1 } }],
    ['sede', 'seed', { sede: 1 }],
  ])('%s means %s', (key, meant, change) => {
    expect(problems({ ...least, ...change })).toEqual([`${key}: unknown key; did you mean ${meant}?`]);
  });

  test('unlike anything', () => {
    expect(problems({ ...least, frobnicate: 1 })).toEqual(['frobnicate: unknown key']);
  });
});

describe('trainConfigKeys', () => {
  test('lists every key with a description', () => {
    const keys = trainConfigKeys.map(({ key }) => key);
    expect(keys).toContain('model.nLayer');
    expect(keys).toContain('est.schedule');
    expect(keys).toContain('est.schedule[].endFraction');
    expect(keys).not.toContain('optimizer');
    expect(new Set(keys).size).toBe(keys.length);
    for (const { key, description } of trainConfigKeys) expect(description, key).not.toBe('');
  });

  test('states the defaults that parsing fills in', () => {
    const config: unknown = parseTrainConfig(least);
    for (const entry of trainConfigKeys) {
      if (entry.default === undefined) continue;
      const filled = entry.key
        .split('.')
        .reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], config);
      expect(JSON.stringify(filled), entry.key).toBe(entry.default);
    }
  });

  test('a key that is not a section is required, has a default, or says what happens without it', () => {
    for (const { key, description, default: fallback } of trainConfigKeys) {
      if (/^data\.|\[\]\.end|^model\.preset$/.test(key)) continue;
      expect(fallback !== undefined || /Required|Default/.test(description), key).toBe(true);
    }
  });
});

test('normalizeName ignores case and separators', () => {
  expect(new Set(['max_iters', 'max-iters', 'maxIters', 'MAXITERS'].map(normalizeName)).size).toBe(1);
});

test('validate keeps the original error as cause', () => {
  expect.assertions(1);
  try {
    parseTrainConfig({});
  } catch (error) {
    expect((error as Error).cause).toBeInstanceOf(Error);
  }
});
