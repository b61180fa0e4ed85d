// Weights in several files: how they are cut, what the index says, and what is left when a model is written again.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readModelDirectory, writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { openSafetensors } from '../../lib/formats/safetensors.ts';
import { planShards, type WeightOptions } from '../../lib/formats/shards.ts';
import { temporaryDirectory, tinyContents, tinyModel, values } from '../checkpoint/helpers.ts';

describe('planShards', () => {
  const tensor = fc.record({
    dtype: fc.constantFrom('F32' as const, 'BF16' as const, 'F16' as const),
    shape: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
  });
  const bytesOf = ({ dtype, shape }: { dtype: string; shape: number[] }) =>
    shape.reduce((product, size) => product * size, dtype === 'F32' ? 4 : 2);

  test('keeps every tensor, in order, in files that are not empty and within the limit unless they hold one tensor', () => {
    fc.assert(
      fc.property(fc.array(tensor, { minLength: 1 }), fc.integer({ min: 1, max: 5000 }), (tensors, limit) => {
        const shards = planShards(tensors, limit);
        expect(shards.flat()).toEqual(tensors);
        for (const [i, shard] of shards.entries()) {
          const bytes = shard.reduce((sum, each) => sum + bytesOf(each), 0);
          expect(shard.length).toBeGreaterThan(0);
          expect(bytes <= limit || shard.length === 1).toBe(true);
          // No file ends while the next tensor would still fit.
          const next = shards[i + 1]?.[0];
          if (next !== undefined) expect(bytes + bytesOf(next)).toBeGreaterThan(limit);
        }
      }),
    );
  });

  test('a tensor of exactly the limit fills its file', () => {
    const four = { dtype: 'F32' as const, shape: [1] };
    expect(planShards([four, four, four], 8).map((shard) => shard.length)).toEqual([2, 1]);
    expect(planShards([four, four], Infinity)).toHaveLength(1);
  });
});

async function written(options: WeightOptions, seed = 1): Promise<string> {
  const directory = join(await temporaryDirectory(), 'model');
  await writeModelDirectory(directory, tinyContents(seed), options);
  return directory;
}

async function expectSeed(directory: string, seed: number): Promise<void> {
  const model = await readModelDirectory(directory);
  for (const { name } of listTensors(tinyModel)) expect(await model.readTensor(name)).toEqual(values(name, 'w', seed));
  await model.close();
}

test('the index says where each tensor is, and how many bytes they have together', async () => {
  const directory = await written({ dtype: 'F16', maxShardBytes: 200 });
  const { metadata, weight_map } = JSON.parse(await readFile(join(directory, 'model.safetensors.index.json'), 'utf8'));
  const files = (await readdir(directory)).filter((name) => name.startsWith('model-')).sort();
  const count = String(files.length).padStart(5, '0');
  expect(files.length).toBeGreaterThan(2);
  expect(files).toEqual(files.map((_, i) => `model-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`));
  const holders: Record<string, string> = {};
  let bytes = 0;
  for (const name of files) {
    const file = await openSafetensors(join(directory, name));
    for (const [tensor, { begin, end, dtype }] of file.tensors) {
      holders[tensor] = name;
      bytes += end - begin;
      expect(dtype).toBe('F16');
    }
    await file.close();
  }
  expect(weight_map).toEqual(holders);
  expect(Object.keys(weight_map)).toHaveLength(listTensors(tinyModel).length);
  expect(metadata).toEqual({ total_size: bytes });
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  expect(config).toMatchObject({ torch_dtype: 'float16', dtype: 'float16' });
});

test('shards are replaced by one file, and one file by shards, and nothing stale stays', async () => {
  const directory = await written({ maxShardBytes: 100 });
  const sharded = await readdir(directory);
  await writeModelDirectory(directory, tinyContents(2));
  const single = ['config.json', 'generation_config.json', 'merges.txt', 'model.safetensors', 'vocab.json'];
  expect((await readdir(directory)).sort()).toEqual(single);
  await expectSeed(directory, 2);
  await writeModelDirectory(directory, tinyContents(3), { maxShardBytes: 100 });
  expect((await readdir(directory)).sort()).toEqual(sharded.sort());
  await expectSeed(directory, 3);
  // Fewer shards than before: none of the old ones is left to be read.
  await writeModelDirectory(directory, tinyContents(4), { maxShardBytes: 500 });
  const shards = (await readdir(directory)).filter((name) => name.startsWith('model-'));
  expect(shards.every((name) => name.endsWith(`-of-0000${shards.length}.safetensors`))).toBe(true);
  expect(shards.length).toBeLessThan(sharded.filter((name) => name.startsWith('model-')).length);
  await expectSeed(directory, 4);
});

describe('a weight too large for F16', () => {
  const withWeight = (weight: number) =>
    tinyContents(1, {
      readTensor: async (name) =>
        values(name, 'w', 1).map((value, i) => (name === 'ln_f.bias' && i === 2 ? weight : value)),
    });

  test.each([65_520, -70_000, 3e38])('%d is refused, by name, and the old model stays', async (weight) => {
    const directory = await written({});
    await expect(writeModelDirectory(directory, withWeight(weight), { dtype: 'F16' })).rejects.toThrow(
      /tensor transformer\.ln_f\.bias: -?[\de.+]+ is too large for F16 \(at most 65504\); use BF16/,
    );
    await expectSeed(directory, 1);
    await writeModelDirectory(directory, withWeight(weight), { dtype: 'BF16' });
  });

  test('65519 still rounds to a number; infinities and NaN were there before', async () => {
    for (const [weight, stored] of [
      [65_519, 65_504],
      [Infinity, Infinity],
      [Number.NaN, Number.NaN],
    ] as const) {
      const directory = join(await temporaryDirectory(), 'model');
      await writeModelDirectory(directory, withWeight(weight), { dtype: 'F16' });
      const model = await readModelDirectory(directory);
      expect((await model.readTensor('ln_f.bias'))[2]).toBe(stored);
      await model.close();
    }
  });
});
