// What burgeon writes, loaded by transformers, and the other way round: `npm run test:interop`. Needs a Python with torch
// and transformers, BURGEON_PYTHON or python3; without one all of it is skipped, and says so.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import type { LlamaConfig } from '../../lib/config/model-config.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import type { WeightType } from '../../lib/formats/shards.ts';
import { Model } from '../../lib/model/model.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { roughen, smallConfig, smallLlama, smallQwen2 } from '../helpers/models.ts';
import { relativeDifference } from '../helpers/tolerance.ts';

const python = process.env.BURGEON_PYTHON ?? 'python3';
const isThere = hasTransformers();
if (!isThere) console.warn(`interop: skipped, because ${python} has no torch and transformers; set BURGEON_PYTHON`);

function hasTransformers(): boolean {
  try {
    execFileSync(python, ['-c', 'import torch, transformers'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface Answer {
  dtype: string;
  class: string;
  logits: number[];
  ids?: number[];
  decoded?: string;
}

async function askTransformers(directory: string, request: object): Promise<Answer> {
  const script = path.join(import.meta.dirname, 'compare.py');
  const { stdout } = await promisify(execFile)(
    python,
    ['-B', '-W', 'ignore', script, directory, JSON.stringify(request)],
    {
      maxBuffer: 2 ** 28,
      env: { ...process.env, HF_HUB_OFFLINE: '1' },
    },
  );
  return JSON.parse(stdout);
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-interop-'));
});
afterAll(() => rm(directory, { recursive: true }));

const models = {
  gpt2: smallConfig({ nLayer: 2, nInner: 100 }),
  'gpt2, wide MLP default': smallConfig({ nLayer: 1 }),
  llama: smallLlama(),
  'llama, tied and with biases': smallLlama({ tiedHead: true, attentionBias: true, mlpBias: true, ropeTheta: 5e5 }),
  qwen2: smallQwen2(),
  'qwen2, tied': smallQwen2({ tiedHead: true, nKvHead: 4 }),
  'llama, linear rope': smallLlama({ ropeScaling: { type: 'linear', factor: 4 } }),
  'llama, llama3 rope': smallLlama({
    contextLength: 64,
    ropeScaling: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 16 },
  }),
};
const tokens = [5, 60, 0, 17, 3, 3, 41, 22, 9, 1, 58, 30];
const classes = { gpt2: 'GPT2LMHeadModel', llama: 'LlamaForCausalLM', qwen2: 'Qwen2ForCausalLM' };
const types: [WeightType, string, number][] = [
  ['F32', 'torch.float32', 2e-5],
  ['BF16', 'torch.bfloat16', 2e-5],
  ['F16', 'torch.float16', 2e-5],
];

describe.runIf(isThere).each(Object.entries(models))('%s', (name, config) => {
  it.each(types)('written as %s gives the same logits in transformers', async (dtype, expectedType, tolerance) => {
    using model = await Model.create(config, { threads: 1, seed: 3 });
    await roughen(model);
    const target = path.join(directory, `${name} ${dtype}`);
    const isSharded = dtype === 'BF16';
    await writeModelDirectory(target, model.contents(), isSharded ? { dtype, maxShardBytes: 20_000 } : { dtype });
    if (isSharded)
      expect((await readdir(target)).filter((file) => file.startsWith('model-')).length).toBeGreaterThan(1);
    const answer = await askTransformers(target, { tokens });
    expect(answer.dtype).toBe(expectedType);
    // burgeon's own reading of the rounded weights, computed in float32 on both sides.
    using loaded = await Model.load(target, { threads: 1 });
    const { logits } = await loaded.forward(Int32Array.from(tokens), { logits: 'all' });
    expect(relativeDifference(logits!, Float32Array.from(answer.logits))).toBeLessThan(tolerance);
  });

  it('as a subnetwork of half of everything gives the same logits in transformers', async () => {
    using model = await Model.create(config, { threads: 1, seed: 5 });
    await roughen(model);
    const rates = { heads: config.architecture === 'gpt2' ? 1 : 0.5, neurons: 0.5, layers: 0.5 };
    const subnetwork = sampleSubnetwork({ ...config, rates }, { seed: 1, step: 0, group: 0 });
    const target = path.join(directory, `${name} subnetwork`);
    await writeModelDirectory(target, subnetworkContents(model.contents(), subnetwork));
    const answer = await askTransformers(target, { tokens });
    const { logits } = await model.forward(Int32Array.from(tokens), { logits: 'all', subnetwork });
    expect(relativeDifference(logits!, Float32Array.from(answer.logits))).toBeLessThan(2e-5);
  });

  it('written by transformers, in bfloat16 and shards, is read as it is', async () => {
    using model = await Model.create(config, { threads: 1, seed: 4 });
    await roughen(model);
    const [ours, theirs] = [path.join(directory, `${name} ours`), path.join(directory, `${name} theirs`)];
    await model.save(ours);
    await askTransformers(ours, { tokens, save: theirs, dtype: 'bfloat16', shard: '20KB' });
    const answer = await askTransformers(theirs, { tokens });
    using loaded = await Model.load(theirs, { threads: 1 });
    expect(loaded.config).toEqual(config);
    expect(answer.class).toBe(classes[config.architecture]);
    const { logits } = await loaded.forward(Int32Array.from(tokens), { logits: 'all' });
    expect(relativeDifference(logits!, Float32Array.from(answer.logits))).toBeLessThan(2e-5);
  });
});

describe.runIf(isThere)('changed by hand', () => {
  const scaled = { rope_type: 'linear', factor: 2 };
  it.each<[string, Partial<LlamaConfig>, Record<string, unknown>]>([
    ['rope_scaling beside rope_parameters', {}, { rope_scaling: scaled }],
    ['rope_scaling without a type', { ropeTheta: 5e5 }, { rope_scaling: { factor: 4 } }],
    ['rope_scaling with a base of its own', { ropeTheta: 5e5 }, { rope_scaling: { ...scaled, rope_theta: 300 } }],
    [
      'rope_scaling, and the base in rope_parameters',
      { ropeTheta: 5e5 },
      { rope_scaling: scaled, rope_theta: undefined },
    ],
    ['an empty rope_scaling', { ropeScaling: { type: 'linear', factor: 4 } }, { rope_scaling: {} }],
  ])('%s means what it does in transformers', async (name, config, changes) => {
    using model = await Model.create(smallLlama(config), { threads: 1, seed: 3 });
    await roughen(model);
    const target = path.join(directory, name);
    await model.save(target);
    const file = path.join(target, 'config.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...changes }));
    await expectSameLogits(target);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a window that is not used', { use_sliding_window: false, sliding_window: 4, max_window_layers: 1 }],
    ['a window from a layer on that is not there', { use_sliding_window: true, sliding_window: 4 }],
    [
      'a window as long as the context',
      { use_sliding_window: true, sliding_window: 16, max_window_layers: 0, layer_types: undefined },
    ],
    [
      'layer_types beside a window',
      { use_sliding_window: true, sliding_window: 4, layer_types: all('full_attention') },
    ],
    ['biases that Qwen2 has not', { attention_bias: false, mlp_bias: true }],
  ])('%s means what it does in transformers', async (name, changes) => {
    await expectSameLogits(await changedQwen2(name, changes));
  });

  it('a window that is used makes another model of a Qwen2, which is refused', async () => {
    const target = await changedQwen2('window', { use_sliding_window: true, sliding_window: 4, max_window_layers: 1 });
    using model = await Model.load(path.join(directory, 'qwen2 window whole'), { threads: 1 });
    const { logits } = await model.forward(Int32Array.from(tokens), { logits: 'all' });
    const answer = await askTransformers(target, { tokens });
    expect(relativeDifference(logits!, Float32Array.from(answer.logits))).toBeGreaterThan(0.01);
    await expect(Model.load(target)).rejects.toThrow('use_sliding_window: burgeon supports false');
  });

  it('a head of its own in a tied Llama is used, as in transformers', async () => {
    using model = await Model.create(smallLlama({ tiedHead: false }), { threads: 1, seed: 3 });
    await roughen(model);
    const target = path.join(directory, 'own head');
    await model.save(target);
    const file = path.join(target, 'config.json');
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('"tie_word_embeddings": false', '"tie_word_embeddings": true'),
    );
    await expectSameLogits(target);
  });
});

function all(type: string): string[] {
  return new Array<string>(smallQwen2().nLayer).fill(type);
}

/** A Qwen2 whose config.json has these changes; it is beside it as it was, with `whole` in its name. */
async function changedQwen2(name: string, changes: Record<string, unknown>): Promise<string> {
  using model = await Model.create(smallQwen2(), { threads: 1, seed: 3 });
  await roughen(model);
  const target = path.join(directory, `qwen2 ${name}`);
  await model.save(target);
  await model.save(`${target} whole`);
  const file = path.join(target, 'config.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...changes }));
  return target;
}

async function expectSameLogits(target: string): Promise<void> {
  const answer = await askTransformers(target, { tokens });
  using loaded = await Model.load(target, { threads: 1 });
  const { logits } = await loaded.forward(Int32Array.from(tokens), { logits: 'all' });
  expect(relativeDifference(logits!, Float32Array.from(answer.logits))).toBeLessThan(2e-5);
}

describe.runIf(isThere)('tokenizers', () => {
  it('of a saved GPT-2 vocabulary are the same in transformers', async () => {
    const tokenizer = createTokenizer({ name: 'gpt2' });
    const config = smallConfig({ nLayer: 1, vocabSize: tokenizer.vocabSize });
    using model = await Model.create(config, { tokenizerFiles: tokenizer.files(), endOfText: 50256 });
    const target = path.join(directory, 'tokenizer');
    await model.save(target);
    const text = "It's 3 o'clock;\n\n  naïve café — 東京 🦀 <b>don't</b>";
    const answer = await askTransformers(target, { tokens, text });
    expect(answer.ids).toEqual([...tokenizer.encode(text)]);
    expect(answer.decoded).toBe(text);
  });
});
