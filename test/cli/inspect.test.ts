// burgeon inspect: of a run, of a model without a run, and of one that has gone wrong.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({ est: { schedule: [{ endStep: 5, layers: 0.5, choose: 'first' }, {}] } });
  await workspace.succeed(['train', 'train.yaml', '--quiet']);
  await workspace.succeed(['export', 'run', '-o', 'plain']);
});
afterAll(() => workspace.remove());

const inspect = async (...args: string[]) => (await workspace.succeed(['inspect', ...args])).stdout;

describe('a run', () => {
  test('for people', async () => {
    const text = await inspect('run');
    expect(text).toMatch(/^\S*run\/checkpoint-00000015\nconfiguration\n {2}architecture +gpt2\n/);
    expect(text).toMatch(/\n {2}parameters +\S+ k \([\d,]+\)\n {2}tokenizer +chars\n/);
    expect(text).toMatch(/\n {2}step +15 of 15, 960 tokens\n/);
    expect(text).toMatch(/\n {2}held-out loss +\d\.\d{4} at the start, \d\.\d{4} at the last evaluation\n/);
    expect(text).toMatch(
      /\n {2}data\.directory +data\n {2}training data +7\.20 k tokens\n {2}held-out data +800 tokens\n/,
    );
    expect(text).toMatch(/\n {2}1 +1\.\.5 +5 +first +\d.* 50\.0 %\n {2}2 +6\.\.15 +10 +all +\d.* 100\.0 %\n/);
    expect(text).toMatch(/\n {2}wte\.weight +21 x 32 +-?\d\.\d\de-\d +\d\.\d\de[+-]\d +0 +0\n/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(99);
  });

  test('as JSON: what the model itself says', async () => {
    const found = JSON.parse(await inspect('run', '--json'));
    using model = await Model.load(workspace.path('plain'), { threads: 1 });
    expect(found.model).toEqual(model.config);
    expect(found.training).toMatchObject({ step: 15, steps: 15, tokens: 960, data: { trainTokens: 7200 } });
    expect(found.tensors.map(({ name }: { name: string }) => name).sort()).toEqual([...model.tensorNames].sort());
    for (const { name, shape, norm, mean } of found.tensors) {
      const values = [...(await model.parameter(name))];
      expect(shape).toEqual(model.shape(name));
      expect(norm).toBeCloseTo(Math.hypot(...values), 6);
      expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6);
    }
  });
});

test('a model without a run has no training', async () => {
  expect(await inspect('plain')).not.toContain('training');
  expect(JSON.parse(await inspect('plain', '--json')).training).toBe(null);
});

test('one value of many that is no number is seen', async () => {
  using model = await Model.load(workspace.path('plain'), { threads: 1 });
  const values = await model.parameter('h.1.mlp.c_fc.weight');
  await model.setParameter('h.1.mlp.c_fc.weight', values.with(7, NaN).with(8, -Infinity));
  await model.save(workspace.path('broken'));
  expect(await inspect('broken')).toMatch(/\n {2}h\.1\.mlp\.c_fc\.weight +32 x 128 .* +0\.024 % +0\.024 %\n/);
});

test('what is no model is refused', async () => {
  const { code, stdout, stderr } = await workspace.burgeon(['inspect', 'data']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^burgeon: data: expected a model directory .* found neither/);
});
