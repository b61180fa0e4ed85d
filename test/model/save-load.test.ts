// A model that is saved and loaded is the same model, and saving never destroys anything: not what was there before, not
// what is no model. What the files look like is tested in test/checkpoint/.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { Model } from '../../lib/model/model.ts';
import { createTokenizer, readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { allParameters, fingerprints, randomBatch, roughen, smallConfig } from '../helpers/models.ts';

const config = smallConfig({ layerNormEpsilon: 1e-6, nInner: 50 });
const batchSize = 2;
const { tokens, targets } = randomBatch(config, batchSize, 16);
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-save-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** A model that has been trained a little. */
async function trained(seed: number): Promise<Model> {
  const model = await Model.create(config, { seed, threads: 2 });
  await roughen(model, seed);
  await model.forwardBackward(tokens, targets, { batchSize });
  await model.optimizerStep({ lr: 1e-2, weightDecay: 0.1 });
  return model;
}

async function expectSame(actual: Model, expected: Model) {
  expect(actual.config).toEqual(expected.config);
  expect(fingerprints(await allParameters(actual))).toEqual(fingerprints(await allParameters(expected)));
  const options = { batchSize, targets, logits: 'all' } as const;
  const [a, b] = [await actual.forward(tokens, options), await expected.forward(tokens, options)];
  expect(a.loss).toBe(b.loss);
  expect(a.logits).toEqual(b.logits);
}

describe('save and load', () => {
  it('give the same model: tensors and logits, bit for bit', async () => {
    using model = await trained(1);
    const target = path.join(directory, 'same');
    await model.save(target);
    using loaded = await Model.load(target, { threads: 1 });
    await expectSame(loaded, model);
    expect(loaded.optimizerSteps).toBe(0);
  });

  it('keep the tokenizer and the end of text', async () => {
    const tokenizer = createTokenizer({ name: 'chars', characters: [...'abc'] });
    using model = await Model.create(config, { tokenizerFiles: tokenizer.files(), endOfText: 2 });
    const target = path.join(directory, 'tokenizer');
    await model.save(target);
    using loaded = await Model.load(target);
    expect(loaded.tokenizerFiles).toEqual(tokenizer.files());
    expect(loaded.endOfText).toBe(2);
    expect((await readTokenizer(target)).decode([0, 1, 2])).toBe('abc');
  });

  it('work in float64, whose weights are stored in float32', async () => {
    using model = await Model.create(config, { device: 'reference', precision: 'float64' });
    await roughen(model);
    const target = path.join(directory, 'double');
    await model.save(target);
    using loaded = await Model.load(target, { device: 'reference', precision: 'float64' });
    for (const [name, data] of await allParameters(model)) {
      expect(await loaded.parameter(name)).toEqual(Float64Array.from(data, Math.fround));
    }
    // What has been stored once is stored exactly.
    await loaded.save(target);
    using again = await Model.load(target, { device: 'reference', precision: 'float64' });
    await expectSame(again, loaded);
  });

  it('replace a model as a whole', async () => {
    const target = path.join(directory, 'replaced');
    using first = await trained(1);
    await first.save(target);
    using second = await trained(2);
    await second.save(target);
    using loaded = await Model.load(target);
    await expectSame(loaded, second);
    expect(await readdir(directory)).not.toContainEqual(expect.stringMatching(/^\.(tmp|replaced)-/));
  });

  it('replace what a symbolic link points to', async () => {
    using model = await trained(3);
    const [target, link] = [path.join(directory, 'pointed-to'), path.join(directory, 'link')];
    await mkdir(target);
    await symlink(target, link);
    await model.save(link);
    using loaded = await Model.load(target);
    await expectSame(loaded, model);
  });
});

describe('save refuses', () => {
  async function refusal(target: string, options = {}): Promise<BurgeonError> {
    using model = await Model.create(config, options);
    const error = await model.save(target).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BurgeonError);
    expect(error).toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
    // The model is fine and can be saved elsewhere.
    await model.forward(tokens, { batchSize });
    return error as BurgeonError;
  }

  it('a directory with anything else in it, and leaves it alone', async () => {
    const target = path.join(directory, 'thesis');
    await mkdir(target);
    await writeFile(path.join(target, 'thesis.tex'), 'years of work');
    expect((await refusal(target)).message).toContain('expected a model directory, found also thesis.tex; nothing was');
    expect(await readdir(target)).toEqual(['thesis.tex']);
    expect(await readFile(path.join(target, 'thesis.tex'), 'utf8')).toBe('years of work');
  });

  it('a model of another kind', async () => {
    const target = path.join(directory, 'bert');
    await mkdir(target);
    await writeFile(path.join(target, 'config.json'), '{"model_type": "bert"}');
    expect((await refusal(target)).message).toContain(
      'expected a GPT-2, Llama or Qwen2 model directory, found no such config.json',
    );
    expect(await readdir(target)).toEqual(['config.json']);
  });

  it('a file', async () => {
    const target = path.join(directory, 'file');
    await writeFile(target, 'text');
    expect((await refusal(target)).message).toContain('expected a directory, found a file; nothing was written');
    expect(await readFile(target, 'utf8')).toBe('text');
  });

  it('a place inside a file', async () => {
    await writeFile(path.join(directory, 'parent'), 'text');
    const target = path.join(directory, 'parent', 'model');
    expect((await refusal(target)).message).toContain(`writing model ${target}: `);
  });

  it('tokenizer files that are none', async () => {
    const target = path.join(directory, 'stranger');
    const { message } = await refusal(target, { tokenizerFiles: { '../escape.txt': 'text' } });
    expect(message).toBe('tokenizer file ../escape.txt: expected a name like tokenizer.json, vocab.json or merges.txt');
    expect(await readdir(directory)).not.toContain('stranger');
    expect(await readdir(path.dirname(directory))).not.toContain('escape.txt');
  });

  it('to run beside another call, which goes on, and beside which nothing is written', async () => {
    using model = await Model.create(config);
    const target = path.join(directory, 'busy');
    const running = model.forwardBackward(tokens, targets, { batchSize });
    await expect(model.save(target)).rejects.toMatchObject({
      code: 'ERR_BURGEON_BUSY',
      message: 'model: save() was called while forwardBackward() is still running; await its promise first',
    });
    await running;
    const saving = model.save(target);
    await expect(model.setParameter('ln_f.bias', new Float32Array(32))).rejects.toMatchObject({
      code: 'ERR_BURGEON_BUSY',
    });
    await saving;
    using loaded = await Model.load(target);
    await expectSame(loaded, model);
  });

  it('a disposed model, and leaves nothing behind', async () => {
    const model = await Model.create(config);
    const target = path.join(directory, 'disposed');
    const saving = model.save(target);
    model.dispose();
    await expect(saving).rejects.toMatchObject({ code: 'ERR_BURGEON_DISPOSED' });
    await expect(model.save(target)).rejects.toMatchObject({ code: 'ERR_BURGEON_DISPOSED' });
    expect((await readdir(directory)).filter((name) => name.includes('disposed'))).toEqual([]);
  });
});

describe('load refuses', () => {
  it('a directory that is not there, or holds no model', async () => {
    const missing = path.join(directory, 'missing');
    await expect(Model.load(missing)).rejects.toMatchObject({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: expect.stringContaining(missing),
    });
    await mkdir(path.join(directory, 'empty'));
    await expect(Model.load(path.join(directory, 'empty'))).rejects.toMatchObject({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: expect.stringContaining(
        'expected a model directory (with config.json) or a run directory with checkpoints, found neither',
      ),
    });
    await expect(Model.load(undefined as never)).rejects.toMatchObject({ code: 'ERR_BURGEON_CONFIG' });
  });

  it('options that the engine refuses, and closes its files', async () => {
    using model = await Model.create(config);
    const target = path.join(directory, 'options');
    await model.save(target);
    const before = await openFiles();
    await expect(Model.load(target, { threads: 0 })).rejects.toMatchObject({ code: 'ERR_BURGEON_CONFIG' });
    await expect(Model.load(target, { precision: 'float64' })).rejects.toMatchObject({ code: 'ERR_BURGEON_BACKEND' });
    expect(await openFiles()).toEqual(before);
  });
});

/** Files below the test's directory that this process has open; none where the system does not tell. */
async function openFiles(): Promise<string[]> {
  const { readlink } = await import('node:fs/promises');
  const handles = await readdir('/proc/self/fd').catch(() => []);
  const names = await Promise.all(handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => '')));
  return names.filter((name) => name.startsWith(directory));
}
