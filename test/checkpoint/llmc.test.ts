// Models of llm.c: there and back, the layout against one built by hand, and every damage.

import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openLlmc, writeLlmc } from '../../lib/checkpoint/llmc.ts';
import type { ModelContents } from '../../lib/checkpoint/model-directory.ts';
import { openModel } from '../../lib/checkpoint/open-model.ts';
import type { Gpt2Config } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { decodeBfloat16, encodeBfloat16 } from '../../lib/formats/half-floats.ts';
import { smallLlama } from '../helpers/models.ts';
import { temporaryDirectory, values } from './helpers.ts';

const model: Gpt2Config = {
  architecture: 'gpt2',
  nLayer: 2,
  nHead: 2,
  nEmbd: 6,
  nInner: 24,
  contextLength: 5,
  // Padded to 256.
  vocabSize: 130,
  layerNormEpsilon: 1e-5,
};

function contents(changes: Partial<ModelContents> = {}): ModelContents {
  return { model, tokenizerFiles: {}, readTensor: async (name) => values(name, 'w', 1, model), ...changes };
}

async function written(dtype: 'F32' | 'BF16' = 'F32', source = contents()): Promise<string> {
  const path = join(await temporaryDirectory(), 'model_00000000.bin');
  await writeLlmc(path, source, dtype);
  return path;
}

async function tensorsOf(path: string): Promise<Map<string, Float32Array>> {
  const opened = await openModel(path);
  const tensors = new Map<string, Float32Array>();
  for (const { name } of listTensors(opened.model)) tensors.set(name, await opened.readTensor(name));
  await opened.close();
  return tensors;
}

describe('round trip', () => {
  test('fp32 is exact', async () => {
    const path = await written();
    for (const [name, tensor] of await tensorsOf(path)) expect(tensor, name).toEqual(values(name, 'w', 1, model));
    const opened = await openLlmc(path);
    onTestFinished(() => opened.close());
    expect(opened).toMatchObject({ model, endOfText: undefined, tokenizerFiles: {} });
  });

  test('bf16 is the rounded one, in half the bytes, and exact the second time', async () => {
    const path = await written('BF16');
    const read = await tensorsOf(path);
    for (const [name, tensor] of read) {
      expect(tensor, name).toEqual(decodeBfloat16(encodeBfloat16(values(name, 'w', 1, model))));
    }
    expect(2 * ((await stat(path)).size - 1024)).toBe((await stat(await written())).size - 1024);
    const again = await written('BF16', contents({ readTensor: async (name) => read.get(name)! }));
    expect((await readFile(again)).equals(await readFile(path))).toBe(true);
  });

  test('a vocabulary that needs no padding has none', async () => {
    const path = await written(
      'F32',
      contents({
        model: { ...model, vocabSize: 256 },
        readTensor: async (name) => values(name, 'w', 1, { ...model, vocabSize: 256 }),
      }),
    );
    expect((await readFile(path)).readInt32LE(4 * 7)).toBe(256);
    expect((await tensorsOf(path)).get('wte.weight')).toEqual(
      values('wte.weight', 'w', 1, { ...model, vocabSize: 256 }),
    );
  });
});

test('header and layout are those of llm.c: matrices [out, in], layers together, padding zero', async () => {
  const bytes = await readFile(await written());
  const header = [...new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 1024))];
  expect(header.slice(0, 9)).toEqual([20240326, 3, 5, 130, 2, 2, 6, 256, 0]);
  expect(header.slice(8).every((number) => number === 0)).toBe(true);
  const { nEmbd: C, nLayer: L } = model;
  const at = (element: number) => bytes.readFloatLE(1024 + 4 * element);
  const wte = values('wte.weight', 'w', 1, model);
  expect([at(0), at(130 * C - 1)]).toEqual([wte[0], wte[130 * C - 1]]);
  expect(Array.from({ length: 126 * C }, (_, i) => at(130 * C + i)).every((value) => value === 0)).toBe(true);
  const ln1w = 256 * C + 5 * C;
  expect(at(ln1w + C + 2)).toBe(values('h.1.ln_1.weight', 'w', 1, model)[2]);
  const qkvw = ln1w + 2 * L * C;
  // Row 7, column 4 of layer 1 is row 4, column 7 of Hugging Face's [C, 3C].
  expect(at(qkvw + 3 * C * C + 7 * C + 4)).toBe(values('h.1.attn.c_attn.weight', 'w', 1, model)[4 * 3 * C + 7]);
  expect(bytes.readFloatLE(bytes.length - 4)).toBe(values('ln_f.bias', 'w', 1, model)[C - 1]);
});

describe('a model that the format cannot hold', () => {
  test.each<[string, Partial<ModelContents>, string]>([
    ['Llama', { model: smallLlama() }, 'holds GPT-2 models only, this is a llama; use --format huggingface'],
    ['another MLP', { model: { ...model, nInner: 25 } }, 'with 4 x 6 MLP neurons; this one has 25'],
    ['another epsilon', { model: { ...model, layerNormEpsilon: 1e-6 } }, 'epsilon of 0.00001; this one has 0.000001'],
  ])('%s', async (_, change, message) => {
    const path = join(await temporaryDirectory(), 'model.bin');
    await expect(writeLlmc(path, contents(change), 'F32')).rejects.toThrow(message);
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });
});

describe('a damaged file is refused, by name', () => {
  const setHeader =
    (...changes: [index: number, value: number][]) =>
    async (path: string) => {
      const bytes = await readFile(path);
      for (const [index, value] of changes) bytes.writeInt32LE(value, 4 * index);
      await writeFile(path, bytes);
    };
  const cut = (bytes: number) => async (path: string) => truncate(path, (await stat(path)).size + bytes);

  test.each<[string, (path: string) => Promise<void>, string]>([
    [
      'empty',
      (path) => truncate(path, 0),
      'expected a model directory or a model_*.bin of llm.c (first number 20240326), found 0 bytes',
    ],
    ['cut inside the first number', (path) => truncate(path, 3), 'found 3 bytes'],
    ['cut inside the header', (path) => truncate(path, 1023), 'expected a header of 1024 bytes, found 1023'],
    [
      'cut after the header',
      (path) => truncate(path, 1024),
      'bytes for the sizes in its header, found 1024; copy it again',
    ],
    ['one byte short', cut(-1), 'copy it again'],
    ['with bytes behind', cut(1), 'copy it again'],
    [
      'text',
      (path) => writeFile(path, 'to be, or not to be, that is the question'),
      'of llm.c (first number 20240326), found first number',
    ],
    ['a token shard', setHeader([0, 20240520]), 'first number 20240520'],
    ['version 1', setHeader([1, 1]), 'version: expected 3 (fp32) or 5 (bf16), found 1'],
    ['bf16 by its version only', setHeader([1, 5]), 'copy it again'],
    ['no positions', setHeader([2, 0]), 'contextLength: expected a positive count'],
    ['no vocabulary', setHeader([3, 0]), 'vocabSize: expected a positive count, found 0'],
    ['no layers', setHeader([4, 0]), 'nLayer: expected a positive count, found 0'],
    ['no heads', setHeader([5, 0]), 'nHead: expected a positive count, found 0'],
    ['no width', setHeader([6, 0]), 'nEmbd: expected a positive count, found 0'],
    ['negative width', setHeader([6, -6]), 'nEmbd: expected a positive count, found -6'],
    ['no padded vocabulary', setHeader([7, 0]), 'paddedVocab: expected a positive count, found 0'],
    ['heads that do not divide', setHeader([5, 4]), 'nHead: expected a divisor of nEmbd (6), found 4'],
    [
      'a vocabulary larger than its padding',
      setHeader([7, 129]),
      'padded vocabulary: expected at least 130, found 129',
    ],
    ['other sizes', setHeader([4, 3]), 'copy it again'],
    // Its table of tensors would not fit in memory, so it must not be built.
    ['absurdly many layers', setHeader([4, 2 ** 24]), 'copy it again'],
    ['absurd everything', setHeader([2, 2 ** 24], [4, 2 ** 24], [6, 2 ** 24], [7, 2 ** 24]), 'copy it again'],
  ])('%s', async (_, damage, message) => {
    const path = await written();
    await damage(path);
    const error = await openModel(path).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT', message: expect.stringContaining(message) });
    expect((error as Error).message).toContain(path);
  });

  test('cut off while it is open', async () => {
    const path = await written();
    const opened = await openLlmc(path);
    onTestFinished(() => opened.close());
    await truncate(path, 2000);
    await expect(opened.readTensor('ln_f.bias')).rejects.toThrow('truncated while it was open');
    await expect(opened.readTensor('h.2.ln_1.bias')).rejects.toThrow('no tensor is called h.2.ln_1.bias');
  });
});
