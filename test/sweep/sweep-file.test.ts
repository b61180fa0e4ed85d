// What a sweep file may say, and the messages for what it may not.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseSweep, readSweep } from '../../lib/sweep/sweep-file.ts';

const least = { output: 'runs/x', base: { model: 'gpt2-tiny', steps: 10, batchSize: 2 } };

describe('parseSweep', () => {
  test('needs an output and a base; there is one seed by default', () => {
    expect(parseSweep(least, 'x.yaml')).toEqual({
      file: 'x.yaml',
      output: 'runs/x',
      base: { ...least.base, output: 'runs/x' },
      variants: new Map(),
      values: [],
      seeds: [1],
      baselines: [],
      parallel: undefined,
    });
    expect(parseSweep({ ...least, base: { ...least.base, seed: 7 } }, 'x').seeds).toEqual([7]);
  });

  test('keeps what is empty: it leaves out what a base says', () => {
    const data = { ...least, base: { ...least.base, initFrom: null }, variants: { plain: null, own: { est: null } } };
    const { base, variants } = parseSweep(data, 'x');
    expect(base).toHaveProperty('initFrom', null);
    expect([...variants]).toEqual([
      ['plain', {}],
      ['own', { est: null }],
    ]);
  });

  test('--set changes the base, and output is that of the sweep', () => {
    const { base, output, seeds } = parseSweep(least, 'x', ['model.nLayer=3', 'output=elsewhere', 'seed=4']);
    expect({ base, output, seeds }).toEqual({
      base: { ...least.base, model: { preset: 'gpt2-tiny', nLayer: 3 }, output: 'elsewhere', seed: 4 },
      output: 'elsewhere',
      seeds: [4],
    });
    expect(() => parseSweep({ ...least, seeds: [1, 2] }, 'x', ['seed=4'])).toThrow('--set seed: expected no seed here');
    expect(() => parseSweep(least, 'x', ['output='])).toThrow('--set output: expected the path of a directory');
  });

  test('one baseline or several', () => {
    const variants = { a: {}, b: {}, c: {} };
    expect(parseSweep({ ...least, variants, baseline: 'a' }, 'x').baselines).toEqual(['a']);
    expect(parseSweep({ ...least, variants, baseline: ['a', 'c'] }, 'x').baselines).toEqual(['a', 'c']);
  });

  test.each<[string, object, string]>([
    ['a typo', { varients: {} }, 'varients: unknown key; did you mean variants?'],
    ['a training key at the top', { steps: 5 }, 'steps: unknown key; did you mean base.steps?'],
    ['a training section at the top', { optimizer: {} }, 'optimizer: unknown key; did you mean base.optimizer?'],
    ["another program's name", { lr: 1 }, 'lr: unknown key; did you mean base.optimizer.learningRate?'],
    [
      'a file as the base',
      { base: 'train.yaml' },
      'base: expected a section with keys of a training configuration; { extends: train.yaml } takes those of a file, received "train.yaml"',
    ],
    ['no base', { base: null }, 'base: expected a section with keys of a training configuration'],
    ['no output', { output: null }, 'output: expected the path of a directory, received nothing'],
    [
      'a variant that is none',
      { variants: { a: 3 } },
      'variants.a: expected a section with keys of a training configuration, received 3',
    ],
    [
      'a list of variants',
      { variants: ['dense'] },
      'variants: expected a mapping of names to sections with keys of a training configuration, received ["dense"]',
    ],
    [
      'a list of keys',
      { values: ['steps'] },
      'values: expected a mapping of keys to lists of values, received ["steps"]',
    ],
    [
      'a name with a slash',
      { variants: { 'a/b': {} } },
      'variants.a/b: expected a name of letters, digits and . _ + -',
    ],
    ['a name that leaves the output', { variants: { '..': {} } }, 'variants...: expected a name of letters'],
    [
      'names that differ in case only',
      { variants: { a: {}, A: {} } },
      'variants.A: expected another name, as there is a already',
    ],
    [
      'a seed in a variant',
      { variants: { a: { seed: 3 } } },
      'variants.a.seed: expected no seed here: seeds lists them',
    ],
    [
      'an output among values',
      { values: { output: ['x'] } },
      "values.output: expected no output here: every run gets a directory in the sweep's output",
    ],
    ['a key that is none', { values: { 'a b': [1] } }, 'values.a b: expected a key of the configuration'],
    ['a value that is no list', { values: { steps: 3 } }, 'values.steps: expected a list of values, received 3'],
    ['no value', { values: { steps: [] } }, 'values.steps: expected at least one value, received []'],
    [
      'a list as a value',
      { values: { 'est.schedule': ['dense', [{}]] } },
      'values.est.schedule[1]: expected a number, text, true or false (lists and sections: give them names, under variants), received [{}]',
    ],
    [
      'a value twice',
      { values: { steps: [10, 20, 10] } },
      'values.steps[2]: expected values that differ, received 10 twice',
    ],
    [
      'values with one name',
      { values: { device: ['cuda:1', 'cuda-1'] } },
      'values.device[1]: expected values that differ, received "cuda-1" twice',
    ],
    [
      'a key that a variant sets too',
      {
        variants: { a: { optimizer: { beta1: 0.8 } }, b: { 'optimizer.beta1': 1 }, c: {} },
        values: { 'optimizer.beta1': [0.9] },
      },
      'values.optimizer.beta1: expected a key that no variant sets as well; set by a, b',
    ],
    [
      'seeds that repeat',
      { seeds: [1, 1] },
      'seeds: expected a list of different integers, such as [1, 2, 3], received [1,1]',
    ],
    ['a number of seeds', { seeds: 3 }, 'seeds: expected a list of different integers'],
    [
      'a baseline that is no variant',
      { variants: { dense: {} }, baseline: 'dens' },
      'baseline: expected one of the variants (dense), received "dens"; did you mean dense?',
    ],
    ['no run at a time', { parallel: 0 }, 'parallel: expected an integer from 1 to 1024, received 0'],
  ])('%s', (_, change, message) => {
    expect(() => parseSweep({ ...least, ...change }, 'x.yaml')).toThrow(message);
    expect(() => parseSweep({ ...least, ...change }, 'x.yaml')).toThrow('invalid sweep in x.yaml:\n  ');
  });

  test('all problems at once', () => {
    expect(() => parseSweep({ varients: {}, seeds: [] }, 'x.yaml')).toThrow(
      /^invalid sweep in x\.yaml:(\n {2}(output|base|seeds|varients): .*){4}$/,
    );
  });

  test('values over a model given by name, and over a list that a variant has, are no clash', () => {
    const variants = { a: { model: 'gpt2-nano', est: { schedule: [{ layers: 0.5 }, {}] } } };
    const values = { 'model.nLayer': [2, 4], 'est.schedule[0].layers': [0.5, 0.75] };
    expect(parseSweep({ ...least, variants, values }, 'x').values).toHaveLength(2);
  });
});

test('readSweep: a sweep and its base extend files, each relative to the file that says so', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'burgeon-sweep-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeFile(path.join(directory, 'train.yaml'), 'steps: 10\nbatchSize: 2\n');
  await writeFile(
    path.join(directory, 'sweep.yaml'),
    'output: x\nbase: { extends: train.yaml, steps: 20 }\nseeds: [1]\n',
  );
  await writeFile(path.join(directory, 'more.yaml'), 'extends: sweep.yaml\nseeds: [1, 2]\nbase: { batchSize: 4 }\n');
  expect(await readSweep(path.join(directory, 'more.yaml'))).toMatchObject({
    output: 'x',
    base: { steps: 20, batchSize: 4 },
    seeds: [1, 2],
  });
});
