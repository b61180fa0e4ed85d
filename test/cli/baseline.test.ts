// `baseline` of a configuration: the end of `train` tells the compute gain against dense runs that were measured before.

import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepare } from '../../lib/prepare/prepare.ts';
import type { BaselineGain } from '../../lib/report/baseline-gain.ts';
import { someText } from '../train/helpers.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
const set = (...settings: string[]) => settings.flatMap((setting) => ['--set', setting]);
const grown = ['train', 'train.yaml', ...set('est.schedule=stack', 'steps=20')];

beforeAll(async () => {
  workspace = await createWorkspace({ evaluation: { every: 10, windows: 'all' } });
  for (const steps of [10, 20, 30]) {
    const output = `dense-${steps}`;
    await workspace.succeed([
      'train',
      'train.yaml',
      ...set('est.schedule=dense', `steps=${steps}`, `output=${output}`),
    ]);
    await copyFile(workspace.path(output, 'metrics.jsonl'), workspace.path(`${output}.jsonl`));
  }
});
afterAll(() => workspace.remove());

test('the gain is that of `compare` on the same runs', async () => {
  const { stdout } = await workspace.succeed([...grown, '--json', ...set('baseline=dense-*.jsonl', 'output=grown')]);
  const { gain } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { gain: BaselineGain };
  const dense = [10, 20, 30].map((steps) => `dense-${steps}`);
  const compared = JSON.parse((await workspace.succeed(['compare', ...dense, 'grown', '--json'])).stdout);
  const { trainSeconds: _, ...flops } = gain.gain;
  expect(compared.gain.groups[0].gain).toMatchObject(flops);
  expect(gain.curve.lengths.map(({ steps }) => steps)).toEqual([10, 20, 30]);
  expect(gain).toMatchObject({ reference: { steps: 20 }, otherKeys: [] });
  expect(gain.difference).toBeCloseTo(gain.loss - compared.gain.lengths[1].loss.mean, 12);
});

test('directories serve as well, and other keys that differ are named', async () => {
  const { stdout } = await workspace.succeed([
    ...grown,
    ...set('baseline=[dense-10, dense-20.jsonl]', 'output=faster', 'optimizer.learningRate=2e-3'),
  ]);
  expect(stdout).toMatch(
    /^ {2}compute gain {3}[<>]? ?[\d.]+ in block FLOPs, [<>]? ?[\d.]+ in all FLOPs, by dense runs that were measured$/m,
  );
  expect(stdout).toMatch(
    /^ {2}dense runs {5}10 to 20 steps; 20 steps end at [\d.]+, this run [\d.]+ (lower|higher); they differ in optimizer\.learningRate, optimizer\.minLearningRate too$/m,
  );
});

test('a run on other data says why it tells none', async () => {
  await writeFile(workspace.path('other.txt'), [...someText()].reverse().join(''));
  await prepare({ inputs: [workspace.path('other.txt')], output: workspace.path('other'), tokenizer: 'chars' });
  const { stdout } = await workspace.succeed([
    ...grown,
    ...set('baseline=dense-*.jsonl', 'output=elsewhere', 'data.directory=other'),
  ]);
  expect(stdout).toMatch(
    /^ {2}compute gain {3}not told: dense-10\.jsonl and elsewhere cannot be compared, because their held-out losses are not of the same tokens$/m,
  );
});

test.each([
  ['dense-10.jsonl', /baseline: expected complete dense runs of two lengths or more.*found none among dense-10\.jsonl/],
  ['dense-10.json', /dense-10\.json: no such file/],
])('baseline=%s is refused before anything is trained', async (baseline, message) => {
  const { code, stderr } = await workspace.burgeon([...grown, ...set(`baseline=${baseline}`, 'output=refused')]);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  await expect(readFile(workspace.path('refused', 'metrics.jsonl'))).rejects.toThrow('ENOENT');
});
