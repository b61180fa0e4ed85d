// Checkpoints of a run: round trips, every kind of damage, leftovers, listing and pruning. Interruption at every single
// file system call is crash.test.ts.

import { appendFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { findCheckpoints, latestCheckpoint, pruneCheckpoints } from '../../lib/checkpoint/checkpoint-list.ts';
import { readModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { temporaryDirectory, tinyContents, tinyModel, values } from './helpers.ts';

const allFiles = [
  'burgeon_state.json',
  'checkpoint.json',
  'config.json',
  'generation_config.json',
  'merges.txt',
  'model.safetensors',
  'optimizer.safetensors',
  'vocab.json',
];

async function open(directory: string) {
  const checkpoint = await readCheckpoint(directory);
  onTestFinished(() => checkpoint.close());
  return checkpoint;
}

async function expectSeed(directory: string, seed: number): Promise<void> {
  const checkpoint = await open(directory);
  expect(checkpoint.state).toEqual(tinyContents(seed).state);
  for (const { name } of listTensors(tinyModel)) {
    expect(await checkpoint.readTensor(name)).toEqual(values(name, 'w', seed));
    expect(await checkpoint.readMoment(name, 'm')).toEqual(values(name, 'm', seed));
    expect(await checkpoint.readMoment(name, 'v')).toEqual(values(name, 'v', seed));
  }
}

async function runWith(...steps: number[]): Promise<string> {
  const run = join(await temporaryDirectory(), 'run');
  for (const step of steps) await writeCheckpoint(run, step, tinyContents(step));
  return run;
}
const steps = async (run: string) => (await findCheckpoints(run)).map(({ step }) => step);

test('a checkpoint is read back as it was written', async () => {
  const run = join(await temporaryDirectory(), 'run');
  const directory = await writeCheckpoint(run, 100, tinyContents(7));
  expect(basename(directory)).toBe('checkpoint-00000100');
  expect((await readdir(directory)).sort()).toEqual(allFiles);
  expect(await readdir(run)).toEqual(['checkpoint-00000100']);
  await expectSeed(directory, 7);
  const checkpoint = await open(directory);
  expect(checkpoint.step).toBe(100);
  expect(checkpoint.model).toEqual(tinyModel);
  expect(checkpoint.tokenizerFiles).toEqual(tinyContents(7).tokenizerFiles);
});

test('a checkpoint loads as a model, also without its optimizer', async () => {
  const run = await runWith(1);
  const directory = join(run, 'checkpoint-00000001');
  for (const name of ['optimizer.safetensors', 'burgeon_state.json', 'checkpoint.json'])
    await rm(join(directory, name));
  const model = await readModelDirectory(directory);
  expect(await model.readTensor('ln_f.bias')).toEqual(values('ln_f.bias', 'w', 1));
  await model.close();
});

test('copying a checkpoint gives the same bytes', async () => {
  const run = await runWith(3);
  const copy = await writeCheckpoint(join(run, 'copy'), 3, await open(join(run, 'checkpoint-00000003')));
  for (const name of allFiles) {
    expect(await readFile(join(copy, name))).toEqual(await readFile(join(run, 'checkpoint-00000003', name)));
  }
});

test('contents may be an object with methods that use this', async () => {
  class Trainer {
    readonly model = tinyModel;
    readonly optimizer = 'adamw';
    readonly tokenizerFiles = {};
    readonly state = tinyContents(4).state;
    readonly seed = 4;
    async readTensor(name: string) {
      return values(name, 'w', this.seed);
    }
    async readMoment(name: string, moment: 'm' | 'v') {
      return values(name, moment, this.seed);
    }
  }
  await expectSeed(await writeCheckpoint(await temporaryDirectory(), 1, new Trainer()), 4);
});

test('a checkpoint of the same step is replaced, a torn one too', async () => {
  const run = await runWith(5);
  const directory = await writeCheckpoint(run, 5, tinyContents(6));
  await expectSeed(directory, 6);
  await rm(join(directory, 'checkpoint.json'));
  await writeCheckpoint(run, 5, tinyContents(8));
  await expectSeed(directory, 8);
  await writeFile(join(directory, 'notes.txt'), 'mine');
  await expect(writeCheckpoint(run, 5, tinyContents(9))).rejects.toThrow('found notes.txt');
  await expectSeed(directory, 8);
});

test.for(allFiles)('without %s, or with part of it, the checkpoint before is chosen', async (name) => {
  const damages = {
    deleted: (path: string) => rm(path),
    shorter: async (path: string) => truncate(path, (await readFile(path)).length - 1),
    empty: (path: string) => truncate(path, 0),
    ...(name === 'checkpoint.json' ? {} : { longer: (path: string) => appendFile(path, 'x') }),
  };
  const run = await runWith(1, 2);
  const directory = join(run, 'checkpoint-00000002');
  for (const [kind, damage] of Object.entries(damages)) {
    await writeCheckpoint(run, 2, tinyContents(2));
    // A manifest without its final newline is still whole JSON, so cut into the JSON instead.
    if (kind === 'shorter' && name === 'checkpoint.json') await truncate(join(directory, name), 100);
    else await damage(join(directory, name));
    const { latest, skipped } = await latestCheckpoint(run);
    expect(latest).toMatchObject({ step: 1, valid: true, problem: undefined });
    expect(skipped).toMatchObject([{ step: 2, directory, valid: false, problem: expect.stringContaining(name) }]);
    await expect(readCheckpoint(directory)).rejects.toThrow(join(directory, name));
    await rm(directory, { recursive: true });
  }
});

test.for(allFiles.filter((name) => name !== 'checkpoint.json'))(
  'a changed byte in %s is found by its hash',
  async (name) => {
    const run = await runWith(1);
    const path = join(run, 'checkpoint-00000001', name);
    const bytes = await readFile(path);
    bytes[bytes.length - 3]! ^= 4;
    await writeFile(path, bytes);
    await expect(readCheckpoint(join(run, 'checkpoint-00000001'))).rejects.toThrow(
      new RegExp(
        `${name}: expected SHA-256 .*the checkpoint is damaged or incomplete; restore it from a copy, or delete`,
      ),
    );
  },
);

test.for<[string, object, string]>([
  ['another format', { format: 'x' }, 'format: expected "burgeon-checkpoint", found "x"'],
  ['a later version', { version: 2 }, 'version: expected 1, found 2; use the burgeon version that wrote it'],
  ['no step', { step: 'last' }, 'malformed step or files'],
  ['no files', { files: {} }, 'does not list config.json'],
  ['a path for a name', { files: { '../x': { bytes: 1, sha256: '0'.repeat(64) } } }, 'malformed step or files'],
])('a manifest with %s is refused', async ([, change, message]) => {
  const run = await runWith(1);
  const path = join(run, 'checkpoint-00000001/checkpoint.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
  await expect(readCheckpoint(join(run, 'checkpoint-00000001'))).rejects.toThrow(message);
  expect(await latestCheckpoint(run)).toMatchObject({ latest: undefined, skipped: [{ step: 1 }] });
});

test('moments of another model are refused', async () => {
  const run = await runWith(1);
  await writeCheckpoint(join(run, 'other'), 1, {
    ...tinyContents(1, { model: { ...tinyModel, nLayer: 1 } }),
    readTensor: async (name) => values(name, 'w', 1, { ...tinyModel, nLayer: 1 }),
    readMoment: async (name, moment) => values(name, moment, 1, { ...tinyModel, nLayer: 1 }),
  });
  const [mine, other] = [join(run, 'checkpoint-00000001'), join(run, 'other/checkpoint-00000001')];
  await writeFile(join(mine, 'optimizer.safetensors'), await readFile(join(other, 'optimizer.safetensors')));
  const manifest = JSON.parse(await readFile(join(mine, 'checkpoint.json'), 'utf8'));
  const { files } = JSON.parse(await readFile(join(other, 'checkpoint.json'), 'utf8'));
  manifest.files['optimizer.safetensors'] = files['optimizer.safetensors'];
  await writeFile(join(mine, 'checkpoint.json'), JSON.stringify(manifest));
  await expect(readCheckpoint(mine)).rejects.toThrow(
    /not the moments of the model .* missing m\/h\.1\.attn.*unknown none/,
  );
});

test('a state that JSON cannot hold is refused, and nothing is left', async () => {
  const run = await runWith();
  const contents = tinyContents(1, { state: { best: { loss: Number.POSITIVE_INFINITY } } });
  await expect(writeCheckpoint(run, 1, contents)).rejects.toThrow(
    'burgeon_state.json: loss: Infinity cannot be stored',
  );
  await expect(writeCheckpoint(run, 1.5, tinyContents(1))).rejects.toThrow('step: expected a whole number');
  expect(await findCheckpoints(run)).toEqual([]);
});

test('checkpoints are listed by step; other names and missing runs are nothing', async () => {
  const run = await runWith(30, 4, 100);
  await mkdir(join(run, 'checkpoint-7'));
  await mkdir(join(run, 'checkpoint-000000007'));
  await writeFile(join(run, 'metrics.jsonl'), '');
  expect(await steps(run)).toEqual([4, 30, 100]);
  expect((await latestCheckpoint(run)).latest?.step).toBe(100);
  expect(await findCheckpoints(join(run, 'absent'))).toEqual([]);
  expect(await latestCheckpoint(join(run, 'absent'))).toEqual({ latest: undefined, skipped: [] });
});

test('a checkpoint under the name of another step is not taken for it', async () => {
  const run = await runWith(4);
  await rename(join(run, 'checkpoint-00000004'), join(run, 'checkpoint-00000009'));
  expect(await findCheckpoints(run)).toMatchObject([
    { step: 9, valid: false, problem: expect.stringContaining('step 4') },
  ]);
});

test('pruning keeps the newest, the best and the torn', async () => {
  const run = await runWith(1, 2, 3, 4, 5, 6);
  await rm(join(run, 'checkpoint-00000003/config.json'));
  await rm(join(run, 'checkpoint-00000006/config.json'));
  expect((await pruneCheckpoints(run, { keepLast: 2, best: 1 })).map((path) => basename(path))).toEqual([
    'checkpoint-00000002',
  ]);
  expect(await steps(run)).toEqual([1, 3, 4, 5, 6]);
  expect((await readdir(run)).length).toBe(5);
  expect(await pruneCheckpoints(run, { keepLast: 9 })).toEqual([]);
  await pruneCheckpoints(run, { keepLast: 1 });
  expect(await steps(run)).toEqual([3, 5, 6]);
  await expect(pruneCheckpoints(run, { keepLast: 0 })).rejects.toThrow('keepLast: expected a whole number from 1');
});

test('leftovers of interrupted writes are never read, and cleared by the next write', async () => {
  const run = await runWith(1);
  await mkdir(join(run, '.tmp-checkpoint-00000002-0123abcd'));
  await writeFile(join(run, '.tmp-checkpoint-00000002-0123abcd/model.safetensors'), 'half');
  await mkdir(join(run, '.tmp-other-0123abcd'));
  await mkdir(join(run, '.tmp-mine'));
  expect(await steps(run)).toEqual([1]);
  await writeCheckpoint(run, 3, tinyContents(3));
  const names = ['.tmp-mine', '.tmp-other-0123abcd', 'checkpoint-00000001', 'checkpoint-00000003'];
  expect((await readdir(run)).sort()).toEqual(names);
});

test('interrupted between the two renames, the replaced checkpoint still counts', async () => {
  const run = await runWith(1, 2);
  const aside = join(run, '.replaced-checkpoint-00000002');
  await rename(join(run, 'checkpoint-00000002'), aside);
  expect((await latestCheckpoint(run)).latest).toMatchObject({ step: 2, directory: aside, valid: true });
  await expectSeed(aside, 2);
  await expectSeed(join(run, 'checkpoint-00000002'), 2);
  await writeCheckpoint(run, 3, tinyContents(3));
  expect((await readdir(run)).sort()).toEqual([1, 2, 3].map((step) => `checkpoint-0000000${step}`));
  await expectSeed(join(run, 'checkpoint-00000002'), 2);
  await rename(join(run, 'checkpoint-00000002'), aside);
  await pruneCheckpoints(run, { keepLast: 1 });
  expect(await readdir(run)).toEqual(['checkpoint-00000003']);
});

test('a replaced checkpoint that was not yet deleted is ignored, then deleted', async () => {
  const run = await runWith(1);
  await rename(join(run, 'checkpoint-00000001'), join(run, '.kept'));
  await writeCheckpoint(run, 1, tinyContents(2));
  await rename(join(run, '.kept'), join(run, '.replaced-checkpoint-00000001'));
  expect(await findCheckpoints(run)).toMatchObject([{ step: 1, directory: join(run, 'checkpoint-00000001') }]);
  await writeCheckpoint(run, 2, tinyContents(2));
  expect((await readdir(run)).sort()).toEqual(['checkpoint-00000001', 'checkpoint-00000002']);
  await expectSeed(join(run, 'checkpoint-00000001'), 2);
});
