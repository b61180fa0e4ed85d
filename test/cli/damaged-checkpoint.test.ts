// A run whose newest checkpoint is damaged: whoever is given the run takes the one before, and says so; whoever is given the
// checkpoint refuses it.

import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({ checkpoint: { every: 5, keepBest: false } });
  await workspace.succeed(['train', 'train.yaml', '--quiet']);
});
afterAll(() => workspace.remove());

const newest = 'run/checkpoint-00000015';
const weights = () => workspace.path(newest, 'model.safetensors');

/** Of the same size: only hashes tell. */
async function flipBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 5]! ^= 1;
  await writeFile(file, bytes);
}

const note = /^note: passed over checkpoint .*checkpoint-00000015: model\.safetensors: expected SHA-256 /m;

test('eval, sample, inspect, export and initFrom pass over it', async () => {
  const { succeed, burgeon, path } = workspace;
  await copyFile(weights(), path('whole.safetensors'));
  await flipBit(weights());
  for (const args of [
    ['eval', 'run', '--data', 'data'],
    ['sample', 'run', '--tokens', '3'],
    ['inspect', 'run'],
    ['export', 'run', '-o', 'exported'],
    ['train', 'train.yaml', '--init-from', 'run', '--set', 'output=next', '--set', 'steps=1', '--quiet'],
  ]) {
    expect((await succeed(args)).stderr, args[0]).toMatch(note);
    const [command, ...rest] = args.map((arg) => (arg === 'run' ? newest : arg));
    const refused = await burgeon([command!, ...rest, ...(command === 'train' ? ['--set', 'output=other'] : [])]);
    expect(refused.code, command).toBe(1);
    expect(refused.stderr, command).toMatch(/^burgeon: .*checkpoint-00000015.model\.safetensors: expected SHA-256 /m);
  }
  await copyFile(path('whole.safetensors'), weights());
});

test('one without a manifest is incomplete, also for those who name it', async () => {
  const { burgeon, succeed, path } = workspace;
  await copyFile(path(newest, 'checkpoint.json'), path('manifest.copy'));
  await rm(path(newest, 'checkpoint.json'));
  const { stderr } = await succeed(['sample', 'run', '--tokens', '3']);
  expect(stderr).toMatch(
    /^note: passed over checkpoint .*checkpoint-00000015: checkpoint\.json: no such file, which is written last: the checkpoint is damaged or incomplete; /m,
  );
  expect((await burgeon(['sample', newest])).stderr).toContain('checkpoint.json: no such file, which is written last');
  await copyFile(path('manifest.copy'), path(newest, 'checkpoint.json'));
});

test('where all are damaged, that is said', async () => {
  const { burgeon, path } = workspace;
  await burgeon(['train', 'train.yaml', '--quiet', '--set', 'output=all', '--set', 'checkpoint.keepLast=1']);
  await flipBit(path('all', 'checkpoint-00000015', 'model.safetensors'));
  const { code, stderr } = await burgeon(['sample', 'all']);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^burgeon: all: expected a run with an intact checkpoint, found damaged ones only: .*15: model\.s/,
  );
});

test('a sweep goes on from the one before, and a run without a model of its own too', async () => {
  const { succeed, path } = workspace;
  const sweep = { output: 'sweep', base: { extends: 'train.yaml' }, seeds: [1], variants: { one: null } };
  await writeFile(path('sweep.yaml'), stringify(sweep));
  await succeed(['sweep', 'sweep.yaml']);
  const run = path('sweep', 'one', 'seed1');
  await flipBit(`${run}/checkpoint-00000015/model.safetensors`);
  const metrics = await readFile(`${run}/metrics.jsonl`, 'utf8');
  // As if it had been killed right after its last checkpoint.
  await writeFile(`${run}/metrics.jsonl`, metrics.replace(/.*"kind":"end".*\n/, ''));
  const { stdout, stderr } = await succeed(['sweep', 'sweep.yaml']);
  expect(`${stdout}${stderr}`).toContain('1 of 1 run to train');
  expect(await readFile(`${run}/metrics.jsonl`, 'utf8')).toContain('passed over checkpoint');

  await flipBit(weights());
  const { model: _, ...rest } = JSON.parse(JSON.stringify({ model: 0, data: { directory: 'data' }, output: 'run' }));
  const settings = { ...rest, steps: 15, batchSize: 4, optimizer: { learningRate: 3e-3, warmupSteps: 2 } };
  await writeFile(path('bare.yaml'), stringify({ ...settings, evaluation: { windows: 8 }, log: { peakFlops: 1e11 } }));
  expect((await succeed(['train', 'bare.yaml', '--resume', '--quiet'])).stderr).toMatch(note);
});
