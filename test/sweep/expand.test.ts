// The runs of a sweep: how many, what they are called, and what their configurations say.

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expandRuns } from '../../lib/sweep/expand.ts';
import { groupName, keyLabels, valueText } from '../../lib/sweep/names.ts';
import { parseSweep } from '../../lib/sweep/sweep-file.ts';

const base = { model: 'gpt2-tiny', steps: 45, batchSize: 2, optimizer: { beta2: 0.99 } };
const expand = (data: object) => expandRuns(parseSweep({ output: 'runs/x', base, ...data }, 'x.yaml'));

describe('expandRuns', () => {
  test('variants, then values, the last key fastest, then seeds', () => {
    const runs = expand({
      variants: { dense: { est: { schedule: 'dense' } }, est: null },
      values: { 'optimizer.learningRate': [1e-3, 3e-3], steps: [10, 20] },
      seeds: [1, 2],
      baseline: 'dense',
    });
    expect(runs.map(({ name }) => name).slice(0, 9)).toEqual([
      'dense,learningRate=0.001,steps=10/seed1',
      'dense,learningRate=0.001,steps=10/seed2',
      'dense,learningRate=0.001,steps=20/seed1',
      'dense,learningRate=0.001,steps=20/seed2',
      'dense,learningRate=0.003,steps=10/seed1',
      'dense,learningRate=0.003,steps=10/seed2',
      'dense,learningRate=0.003,steps=20/seed1',
      'dense,learningRate=0.003,steps=20/seed2',
      'est,learningRate=0.001,steps=10/seed1',
    ]);
    expect(runs).toHaveLength(16);
    expect(runs[5]).toEqual({
      name: 'dense,learningRate=0.003,steps=10/seed2',
      group: 'dense,learningRate=0.003,steps=10',
      variant: 'dense',
      values: { 'optimizer.learningRate': 3e-3, steps: 10 },
      seed: 2,
      isBaseline: true,
      directory: 'runs/x/dense,learningRate=0.003,steps=10/seed2',
      settings: {
        model: 'gpt2-tiny',
        steps: 10,
        batchSize: 2,
        optimizer: { beta2: 0.99, learningRate: 3e-3 },
        est: { schedule: 'dense' },
        checkpoint: { every: 1, keepLast: 1, keepBest: false },
        output: 'runs/x/dense,learningRate=0.003,steps=10/seed2',
        seed: 2,
      },
    });
    expect(runs[9]!.isBaseline).toBe(false);
  });

  test('without variants and values there is one group', () => {
    expect(expand({}).map(({ name, variant }) => ({ name, variant }))).toEqual([{ name: 'base/seed1', variant: null }]);
  });

  test('variants merge sections; keys with dots set one value', () => {
    const [a, b, c] = expand({
      variants: {
        a: { optimizer: { beta1: 0.8 }, model: { nLayer: 4 } },
        b: { 'optimizer.beta1': 0.8, 'model.nLayer': 4 },
        c: { 'est.schedule': [{ layers: 0.5 }, {}], 'est.schedule[0].heads': 0.5, optimizer: null },
      },
    }).map(({ settings }) => settings);
    expect(a).toMatchObject({ optimizer: { beta1: 0.8, beta2: 0.99 }, model: { preset: 'gpt2-tiny', nLayer: 4 } });
    expect(b).toEqual({ ...a, output: 'runs/x/b/seed1' });
    expect(c).toMatchObject({ optimizer: null, est: { schedule: [{ layers: 0.5, heads: 0.5 }, {}] } });
  });

  test('ten checkpoints of which one stays, unless the configuration has its own way', () => {
    const checkpointOf = (checkpoint: unknown) => expand({ base: { ...base, checkpoint } })[0]!.settings.checkpoint;
    expect(checkpointOf(undefined)).toEqual({ every: 5, keepLast: 1, keepBest: false });
    expect(checkpointOf({ keepLast: 3 })).toEqual({ every: 5, keepLast: 3, keepBest: false });
    expect(checkpointOf({ every: 0, keepBest: true })).toEqual({ every: 0, keepLast: 1, keepBest: true });
    expect(checkpointOf(null)).toBeNull();
  });

  test.each<[object, string]>([
    [{ values: { 'steps.x': [1] } }, 'x.yaml: values: steps.x: "x" is below a plain value (45), not a section'],
    [
      { variants: { a: { 'steps.x': 1 } } },
      'x.yaml: variants.a: steps.x: "x" is below a plain value (45), not a section',
    ],
    [{ values: { 'sample.prompt': ['long '.repeat(60)] } }, 'x.yaml: expected names of at most 255 characters'],
  ])('%j is refused', (data, message) => {
    expect(() => expand(data)).toThrow(message);
  });

  test('any sweep has all combinations once, in directories of their own inside its output', () => {
    const keys = ['optimizer.learningRate', 'optimizer.beta1', 'steps', 'est.schedule', 'sample.prompt'];
    const plain = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.boolean(), fc.string({ maxLength: 12 }));
    const data = fc.record({
      variants: fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9][\w.+-]{0,7}$/), {
        maxLength: 4,
        selector: (name) => name.toLowerCase(),
      }),
      values: fc.dictionary(
        fc.constantFrom(...keys),
        fc.uniqueArray(plain, { minLength: 1, maxLength: 3, selector: (each) => valueText(each).toLowerCase() }),
      ),
      seeds: fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(data, ({ variants, values, seeds }) => {
        const runs = expand({ variants: Object.fromEntries(variants.map((name) => [name, {}])), values, seeds });
        const combinations = Object.values(values).reduce((product, list) => product * list.length, 1);
        expect(runs).toHaveLength(Math.max(1, variants.length) * combinations * seeds.length);
        expect(new Set(runs.map(({ directory }) => directory.toLowerCase())).size).toBe(runs.length);
        for (const { directory, group, seed, settings } of runs) {
          // Two levels below the output, with nothing in the names that a file system or a shell minds.
          expect(path.relative('runs/x', directory).split(path.sep)).toEqual([group, `seed${seed}`]);
          expect(group).toMatch(/^[\w.+,=-]+$/);
          expect(settings).toMatchObject({ output: directory, seed });
        }
      }),
    );
  });
});

describe('names', () => {
  test.each<[number | string | boolean, string]>([
    [1e-3, '0.001'],
    [0.003, '0.003'],
    [1e-7, '1e-7'],
    [1e21, '1e+21'],
    [-2, '-2'],
    [true, 'true'],
    ['est-gpt2', 'est-gpt2'],
    ['cuda:1', 'cuda-1'],
    ['../up, and = away', '..-up-and-away'],
  ])('%j is %s', (value, text) => {
    expect(valueText(value)).toBe(text);
  });

  test('keys are called by their last part where that is clear', () => {
    expect([
      ...keyLabels([
        'optimizer.learningRate',
        'steps',
        'optimizer.schedule',
        'est.schedule',
        'est.schedule[0].heads',
        'list.0',
      ]).values(),
    ]).toEqual(['learningRate', 'steps', 'optimizer.schedule', 'est.schedule', 'heads', 'list.0']);
  });

  test('a group is its variant and its values', () => {
    const labels = keyLabels(['optimizer.beta1']);
    expect(groupName('dense', {}, labels)).toBe('dense');
    expect(groupName(null, { 'optimizer.beta1': 0.8 }, labels)).toBe('beta1=0.8');
  });
});
