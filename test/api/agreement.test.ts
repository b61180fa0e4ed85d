// The interface takes what the command line takes: a run, its checkpoint, a model, data; and knows what of a growing model is trained.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as burgeon from '../../lib/index.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, tinyConfig, trainUntil } from '../train/helpers.ts';

let prepared: Awaited<ReturnType<typeof prepareText>>;
let directory: string;
let run: string;

beforeAll(async () => {
  prepared = await prepareText();
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-agreement-'));
  run = path.join(directory, 'run');
  const schedule = [{ endFraction: 0.5, layers: 0.5, choose: 'first' }, { transition: 'stack' }];
  const settings = { model: { preset: 'gpt2-tiny', nEmbd: 32 }, sequenceLength: 16, est: { schedule } };
  await trainUntil(3, tinyConfig(prepared.data, run, { ...settings, checkpoint: { every: 2 } }));
});
afterAll(async () => {
  await prepared.remove();
  await rm(directory, { recursive: true });
});

async function weightsOf(given: string) {
  using model = await burgeon.Model.load(given, { threads: 1 });
  return model.parameter('h.0.attn.c_attn.weight');
}

describe('Model.load', () => {
  test('takes a run for its newest intact checkpoint', async () => {
    const newest = path.join(run, 'checkpoint-00000003');
    expect(await weightsOf(run)).toEqual(await weightsOf(newest));
    const manifest = path.join(newest, 'checkpoint.json');
    await rename(manifest, `${manifest}.away`);
    try {
      expect(await weightsOf(run)).toEqual(await weightsOf(path.join(run, 'checkpoint-00000002')));
    } finally {
      await rename(`${manifest}.away`, manifest);
    }
  });

  test('says what it takes where there is no model', async () => {
    for (const given of ['nowhere', directory]) {
      await expect(burgeon.Model.load(given)).rejects.toMatchObject({
        code: 'ERR_BURGEON_CHECKPOINT',
        message: expect.stringContaining(`${given}: expected a model directory`),
      });
    }
  });
});

describe('loadTokenizer', () => {
  test('takes a run, a checkpoint, a model, a prepared data set, and a file of llm.c', async () => {
    const model = path.join(directory, 'model');
    using loaded = await burgeon.Model.load(run, { threads: 1 });
    await loaded.save(model);
    const expected = JSON.stringify(await burgeon.loadTokenizer(path.join(run, 'checkpoint-00000003')));
    for (const given of [run, model, prepared.data]) {
      expect(JSON.stringify(await burgeon.loadTokenizer(given)), given).toBe(expected);
    }
    const file = path.join(directory, 'gpt2_124M.bin');
    await writeFile(file, 'not looked at');
    expect((await burgeon.loadTokenizer(file)).name).toBe('gpt2');
  });

  test('refuses a directory without one, and a damaged manifest', async () => {
    const empty = await temporaryDirectory();
    await expect(burgeon.loadTokenizer(empty)).rejects.toMatchObject({ code: 'ERR_BURGEON_DATA' });
    await writeFile(path.join(empty, 'manifest.json'), '{');
    await expect(burgeon.loadTokenizer(empty)).rejects.toMatchObject({ code: 'ERR_BURGEON_DATA' });
  });
});

describe('whatIsTrained', () => {
  test('of a run that still grows: its first layer, at the length of its sequences', async () => {
    using model = await burgeon.Model.load(run, { threads: 1 });
    const { subnetwork, sequenceLength } = await burgeon.whatIsTrained(model, run);
    expect(subnetwork?.layers).toEqual(Int32Array.of(0));
    expect(sequenceLength).toBe(16);
    const tokens = [];
    for await (const token of model.generate([1], { subnetwork, sequenceLength, maxTokens: 20 })) tokens.push(token);
    expect(tokens).toHaveLength(20);
  });

  test('of a model that is no checkpoint: all of it', async () => {
    const target = path.join(directory, 'plain');
    using model = await burgeon.Model.create({ preset: 'gpt2-tiny', vocabSize: 50 }, { threads: 1 });
    await model.save(target);
    expect(await burgeon.whatIsTrained(model, target)).toEqual({ subnetwork: undefined, sequenceLength: undefined });
    await expect(burgeon.whatIsTrained(model, 'nowhere')).rejects.toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
  });
});
