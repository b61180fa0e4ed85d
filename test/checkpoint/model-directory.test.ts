// Model directories: round trips, Hugging Face layouts, and what replacing one may and may not destroy.

import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { configToHuggingFace } from '../../lib/checkpoint/huggingface.ts';
import {
  isTokenizerFile,
  type OpenModelDirectory,
  readModelDirectory,
  writeModelDirectory,
} from '../../lib/checkpoint/model-directory.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { writeSafetensors } from '../../lib/formats/safetensors.ts';
import { temporaryDirectory, tinyContents, tinyModel, values } from './helpers.ts';

async function open(directory: string): Promise<OpenModelDirectory> {
  const model = await readModelDirectory(directory);
  onTestFinished(() => model.close());
  return model;
}

async function expectSeed(directory: string, seed: number): Promise<void> {
  const model = await open(directory);
  for (const { name } of listTensors(model.model))
    expect(await model.readTensor(name)).toEqual(values(name, 'w', seed));
}

test('a model is read back as it was written', async () => {
  const directory = join(await temporaryDirectory(), 'deep/model');
  const contents = tinyContents(1);
  await writeModelDirectory(directory, contents);
  const files = ['config.json', 'generation_config.json', 'merges.txt', 'model.safetensors', 'vocab.json'];
  expect((await readdir(directory)).sort()).toEqual(files);
  const model = await open(directory);
  expect(model.model).toEqual(tinyModel);
  expect(model.endOfText).toBe(6);
  expect(model.tokenizerFiles).toEqual(contents.tokenizerFiles);
  await expectSeed(directory, 1);
  await expect(model.readTensor('h.9.ln_1.bias')).rejects.toThrow('no tensor called h.9.ln_1.bias');
});

test('what is read can be written elsewhere', async () => {
  const parent = await temporaryDirectory();
  await writeModelDirectory(join(parent, 'a'), tinyContents(1));
  await writeModelDirectory(join(parent, 'b'), await open(join(parent, 'a')));
  expect(await readFile(join(parent, 'b/model.safetensors'))).toEqual(
    await readFile(join(parent, 'a/model.safetensors')),
  );
  expect(await readFile(join(parent, 'b/config.json'))).toEqual(await readFile(join(parent, 'a/config.json')));
});

test('an existing model is replaced, also behind a symbolic link', async () => {
  const parent = await temporaryDirectory();
  await writeModelDirectory(join(parent, 'a'), tinyContents(1));
  await writeModelDirectory(join(parent, 'a'), tinyContents(2, { tokenizerFiles: {} }));
  expect((await readdir(join(parent, 'a'))).includes('vocab.json')).toBe(false);
  await expectSeed(join(parent, 'a'), 2);
  await symlink('a', join(parent, 'link'));
  await writeModelDirectory(join(parent, 'link'), tinyContents(3));
  await expectSeed(join(parent, 'a'), 3);
  expect((await readdir(parent)).sort()).toEqual(['a', 'link']);
});

test('an empty directory may be filled', async () => {
  const directory = join(await temporaryDirectory(), 'a');
  await mkdir(directory);
  await writeModelDirectory(directory, tinyContents(1));
  await expectSeed(directory, 1);
});

test.for<[string, (directory: string) => Promise<unknown>, string]>([
  ['a stranger beside the model', (d) => writeFile(join(d, 'README.md'), 'mine'), 'found also README.md'],
  ['no config', (d) => rm(join(d, 'config.json')), 'found no such config.json'],
  ['another kind of model', (d) => writeFile(join(d, 'config.json'), '{"model_type":"bert"}'), 'found no such config'],
])('a directory with %s is not destroyed', async ([, change, message]) => {
  const parent = await temporaryDirectory();
  const directory = join(parent, 'a');
  await writeModelDirectory(directory, tinyContents(1));
  await change(directory);
  const before = await readdir(directory);
  await expect(writeModelDirectory(directory, tinyContents(2))).rejects.toThrow(message);
  expect(await readdir(directory)).toEqual(before);
  expect(await readdir(parent)).toEqual(['a']);
});

test('neither a file nor a training checkpoint is replaced by a model', async () => {
  const parent = await temporaryDirectory();
  await writeFile(join(parent, 'file'), 'mine');
  await expect(writeModelDirectory(join(parent, 'file'), tinyContents(2))).rejects.toThrow('found a file');
  const checkpoint = await writeCheckpoint(parent, 1, tinyContents(1));
  await expect(writeModelDirectory(checkpoint, tinyContents(2))).rejects.toThrow(
    'expected a model directory, found a checkpoint (checkpoint.json); nothing was written; choose another directory',
  );
  await writeFile(join(parent, 'metrics.jsonl'), '');
  await expect(writeModelDirectory(parent, tinyContents(2))).rejects.toThrow('found a run (checkpoint-00000001)');
  await expectSeed(checkpoint, 1);
});

test('a failure while writing leaves the old model and nothing else', async () => {
  const parent = await temporaryDirectory();
  const directory = join(parent, 'a');
  await writeModelDirectory(directory, tinyContents(1));
  const failing = tinyContents(2, {
    readTensor: async (name) => {
      if (name === 'wpe.weight') throw new Error('device lost');
      return values(name, 'w', 2);
    },
  });
  const error = await writeModelDirectory(directory, failing).catch((failure: unknown) => failure);
  expect(error).toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT', message: expect.stringContaining('device lost') });
  expect(await readdir(parent)).toEqual(['a']);
  await expectSeed(directory, 1);
});

test('interrupted between the two renames, the old model is read and then restored', async () => {
  const parent = await temporaryDirectory();
  const directory = join(parent, 'a');
  await writeModelDirectory(directory, tinyContents(1));
  await rename(directory, join(parent, '.replaced-a'));
  await mkdir(join(parent, '.tmp-a-0123abcd'));
  await mkdir(join(parent, '.tmp-b-0123abcd'));
  await expectSeed(directory, 1);
  await expect(writeModelDirectory(directory, tinyContents(2, { tokenizerFiles: { x: '' } }))).rejects.toThrow(
    'tokenizer file x: expected a name like tokenizer.json',
  );
  // The leftovers of another model are not ours to judge.
  expect((await readdir(parent)).sort()).toEqual(['.tmp-b-0123abcd', 'a']);
  await expectSeed(directory, 1);
});

test('interrupted before the old model was deleted, the new one counts', async () => {
  const parent = await temporaryDirectory();
  await writeModelDirectory(join(parent, '.replaced-a'), tinyContents(1));
  await writeModelDirectory(join(parent, 'b'), tinyContents(2));
  await rename(join(parent, 'b'), join(parent, 'a'));
  await expectSeed(join(parent, 'a'), 2);
  await writeModelDirectory(join(parent, 'a'), tinyContents(3));
  expect(await readdir(parent)).toEqual(['a']);
  await expectSeed(join(parent, 'a'), 3);
});

async function shardedDirectory(weightMap: (name: string) => string): Promise<string> {
  const directory = await temporaryDirectory();
  const table = listTensors(tinyModel);
  await writeFile(join(directory, 'config.json'), JSON.stringify(configToHuggingFace(tinyModel)));
  for (const [part, tensors] of [table.slice(0, 9), table.slice(9)].entries()) {
    await writeSafetensors(
      join(directory, `model-0000${part + 1}-of-00002.safetensors`),
      tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32', data: async () => values(name, 'w', 5) })),
    );
  }
  const index = {
    metadata: { total_size: 1 },
    weight_map: Object.fromEntries(table.map(({ name }) => [name, weightMap(name)])),
  };
  await writeFile(join(directory, 'model.safetensors.index.json'), JSON.stringify(index));
  return directory;
}
const shardOf = (name: string) => {
  const part = listTensors(tinyModel).findIndex((tensor) => tensor.name === name) < 9 ? 1 : 2;
  return `model-0000${part}-of-00002.safetensors`;
};

test('sharded weights are read, names without prefix included', async () => {
  await expectSeed(await shardedDirectory(shardOf), 5);
});

test('an index that does not match its shards, or points elsewhere, is refused', async () => {
  const swapped = (name: string) => shardOf(name).replace('00002-of', '00001-of');
  await expect(readModelDirectory(await shardedDirectory(swapped))).rejects.toThrow(/tensor .* is missing, although/);
  const outside = (name: string) => `../${shardOf(name)}`;
  await expect(readModelDirectory(await shardedDirectory(outside))).rejects.toThrow('weight_map: expected');
});

test('directories that are no model say what is missing', async () => {
  const directory = await temporaryDirectory();
  await expect(readModelDirectory(directory)).rejects.toThrow('found no config.json');
  await writeFile(join(directory, 'config.json'), '[]');
  await expect(readModelDirectory(directory)).rejects.toThrow('config.json: expected a JSON object, found an array');
  await writeFile(join(directory, 'config.json'), '{');
  await expect(readModelDirectory(directory)).rejects.toThrow('config.json: expected JSON');
  await writeFile(join(directory, 'config.json'), JSON.stringify(configToHuggingFace(tinyModel)));
  await expect(readModelDirectory(directory)).rejects.toThrow(
    'expected model.safetensors or model.safetensors.index.json',
  );
  const missing = await readModelDirectory(join(directory, 'absent')).catch((error: unknown) => error);
  expect(missing).toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT', message: expect.stringContaining('absent') });
});

test('tokenizer files are told apart by name', () => {
  const accepted = ['tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt', 'burgeon_tokenizer.json'];
  expect(accepted.every(isTokenizerFile)).toBe(true);
  expect(['config.json', 'a/vocab.json', 'burgeon_state.json', 'README.md'].some(isTokenizerFile)).toBe(false);
});
