// A configuration that ties the output head to the token embedding, and a file that holds a head beside it.

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  type OpenModelDirectory,
  readModelDirectory,
  writeModelDirectory,
} from '../../lib/checkpoint/model-directory.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { openSafetensors, type TensorSource, writeSafetensors } from '../../lib/formats/safetensors.ts';
import { smallConfig, smallLlama, smallQwen2 } from '../helpers/models.ts';
import { temporaryDirectory, values } from './helpers.ts';

const head = 'lm_head.weight';
const llama = smallLlama({ tiedHead: true });
const qwen2 = smallQwen2({ tiedHead: true });
const gpt2 = smallConfig({ nLayer: 1 });

/** A directory of a tied model with a head in its file: the embedding's values after `change`, or other ones. */
async function withHead(
  model: ModelConfig,
  change: (embedding: Float32Array) => Float32Array,
  { dtype = 'F32' as 'F32' | 'BF16', rows = model.vocabSize } = {},
): Promise<string> {
  const directory = join(await temporaryDirectory(), 'model');
  const readTensor = async (name: string) => values(name, 'w', 1, model);
  await writeModelDirectory(directory, { model, tokenizerFiles: {}, readTensor });
  const path = join(directory, 'model.safetensors');
  await rename(path, join(directory, '../old.safetensors'));
  const old = await openSafetensors(join(directory, '../old.safetensors'));
  onTestFinished(() => old.close());
  const name = model.architecture === 'gpt2' ? 'transformer.wte.weight' : 'model.embed_tokens.weight';
  const tensors = old.names.map(
    (each): TensorSource => ({ name: each, dtype, shape: old.tensors.get(each)!.shape, data: () => old.read(each) }),
  );
  const data = async () => change(await old.read(name));
  await writeSafetensors(path, [...tensors, { name: head, dtype: 'F32', shape: [rows, model.nEmbd], data }]);
  return directory;
}

async function open(directory: string): Promise<OpenModelDirectory> {
  const model = await readModelDirectory(directory);
  onTestFinished(() => model.close());
  return model;
}

test.for([
  ['llama', llama],
  ['gpt2', gpt2],
] as const)('%s: an equal head is the embedding', async ([, model]) => {
  const opened = await open(await withHead(model, (embedding) => embedding));
  expect(opened.model).toEqual(model);
  await expect(opened.readTensor(head)).rejects.toThrow('no tensor called lm_head.weight');
});

test.for([
  ['another last value', (embedding: Float32Array) => embedding.with(embedding.length - 1, -1)],
  ['another first value', (embedding: Float32Array) => embedding.with(0, NaN)],
  ['all others', (embedding: Float32Array) => embedding.map((value) => -value - 1)],
] as const)('llama: a head with %s is its own', async ([, change]) => {
  const opened = await open(await withHead(llama, change));
  expect(opened.model).toEqual({ ...llama, tiedHead: false });
  const embedding = await opened.readTensor('embed_tokens.weight');
  expect(await opened.readTensor(head)).toEqual(change(embedding));
});

test('qwen2: another head is its own', async () => {
  const opened = await open(await withHead(qwen2, (embedding) => embedding.with(3, 7)));
  expect(opened.model).toEqual({ ...qwen2, tiedHead: false });
});

test('gpt2: another head is refused', async () => {
  const directory = await withHead(gpt2, (embedding) => embedding.with(3, 7));
  await expect(readModelDirectory(directory)).rejects.toMatchObject({
    code: 'ERR_BURGEON_CHECKPOINT',
    message: expect.stringContaining('lm_head.weight differs from transformer.wte.weight'),
  });
});

test.for([
  ['llama', llama],
  ['gpt2', gpt2],
] as const)('%s: a head of another shape is refused', async ([, model]) => {
  const rows = model.vocabSize + 1;
  const directory = await withHead(model, () => new Float32Array(rows * model.nEmbd), { rows });
  await expect(readModelDirectory(directory)).rejects.toThrow(`lm_head.weight [${rows},${model.nEmbd}] instead of`);
});

test('a head in another format is compared by its values', async () => {
  const halves = await withHead(llama, (embedding) => embedding.map((value) => Math.round(value)), { dtype: 'BF16' });
  expect((await open(halves)).model).toEqual({ ...llama, tiedHead: false });
});
