// JSON Schema for editors: accepts every file in configs/ and what parsing accepts, and underlines typing errors.

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { modelPresetNames } from '../../lib/config/presets.ts';
import { sweepFileSchema } from '../../lib/sweep/sweep-json-schema.ts';
import { parseTrainConfig, trainConfigKeys } from '../../lib/train/train-config.ts';
import { trainFileSchema } from '../../lib/train/train-json-schema.ts';
import { schemaProblems } from '../helpers/json-schema.ts';

const train = trainFileSchema();
const sweep = sweepFileSchema();
const problems = (yaml: string) => schemaProblems(train, parse(yaml));
const filesIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const contentOf = async (file: string) => parse(await readFile(file, 'utf8'));

describe('the schema of training configurations', () => {
  test.each(filesIn('configs'))('accepts configs/%s', async (name) => {
    expect(schemaProblems(train, await contentOf(path.join('configs', name)))).toEqual([]);
  });

  test.each([
    'steps: 10\nbatchSize: 1\noutput: a\nmodel: gpt2\nbaseline: # none',
    'steps: 10\nbatchSize: 1\noutput: a\ninitFrom: runs/b',
    'extends: other.yaml',
    'extends: a\nmodel: { extends: model.yaml, ropeScaling: { type: linear, factor: 2 } }',
    'extends: a\nest: { schedule: [{ endFraction: 2/15, heads: [0.5, { perLayer: [1, 0.2] }] }, { transition: { width: split } }] }',
    'extends: a\ndata: { train: [a, b], validation: c, dtype: uint32 }\ndevice: cuda:1\nthreads: auto\nlog: { peakFlops: 1.0e12 }',
  ])('accepts %j', (yaml) => {
    expect(problems(yaml)).toEqual([]);
  });

  test.each([
    ['stpes: 10', '.stpes: unknown'],
    ['optimizer: { lr: 1 }', '.optimizer.lr: unknown'],
    ['est: { schedule: [{ layer: 0.5 }] }', '.est.schedule[0].layer: unknown'],
    ['model: gtp2', '.model: anyOf'],
    ['est: { schedule: est-gtp2 }', '.est.schedule: anyOf'],
    ['device: gpu', '.device: pattern'],
    ['steps: "10"', '.steps: type'],
    ['steps: 0', '.steps: minimum'],
    ['batchSize: 1.5', '.batchSize: type'],
    ['optimizer: { beta1: 1 }', '.optimizer.beta1: exclusiveMaximum'],
    ['evaluation: { windows: every }', '.evaluation.windows: anyOf'],
  ])('underlines %s', (yaml, problem) => {
    expect(problems(`extends: a\n${yaml}`)).toEqual([problem]);
  });

  test.each(['model', 'output', 'steps', 'batchSize'])('misses %s where nothing else can say it', (key) => {
    const whole: Record<string, unknown> = { model: 'gpt2', output: 'a', steps: 1, batchSize: 1 };
    expect(schemaProblems(train, whole)).toEqual([]);
    delete whole[key];
    expect(schemaProblems(train, whole)).not.toEqual([]);
  });

  test('accepts the default of every key, and every preset', () => {
    const { model: _, ...defaults } = parseTrainConfig({ model: 'gpt2', output: 'a', steps: 1, batchSize: 1 });
    for (const model of modelPresetNames) expect(schemaProblems(train, { ...defaults, model })).toEqual([]);
  });

  test('describes every key', () => {
    const text = JSON.stringify(train);
    for (const { key, description } of trainConfigKeys) expect(text, key).toContain(JSON.stringify(description));
    expect(text).not.toContain('"x-');
  });
});

describe('the schema of sweep files', () => {
  test.each(filesIn('configs/sweeps'))('accepts configs/sweeps/%s', async (name) => {
    expect(schemaProblems(sweep, await contentOf(path.join('configs/sweeps', name)))).toEqual([]);
  });

  test('accepts keys with dots and variants without keys, and underlines unknown ones', () => {
    const file = (variant: string) =>
      schemaProblems(sweep, parse(`output: a\nbase: { extends: b.yaml }\nvariants: { plain: , other: ${variant} }`));
    expect(file('{ optimizer.learningRate: 1, est: { schedule: dense } }')).toEqual([]);
    expect(file('{ optimiser: {} }')).not.toEqual([]);
    expect(schemaProblems(sweep, { output: 'a', base: { stpes: 1 } })).toEqual(['.base.stpes: unknown']);
  });
});
