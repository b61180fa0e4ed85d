// A subnetwork written as a model of its own computes what the whole model computes with that subnetwork.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { smallerModel } from '../../lib/checkpoint/huggingface.ts';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { countParameters } from '../../lib/est/parameters.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import { randomBatch, roughen, smallConfig, smallLlama, smallQwen2 } from '../helpers/models.ts';
import { maskedFloat, relativeDifference } from '../helpers/tolerance.ts';
import { temporaryDirectory } from './helpers.ts';

const list = (...numbers: number[]) => Int32Array.from(numbers);

async function roughModel(config: ModelConfig): Promise<Model> {
  const model = await Model.create(config, { threads: 1, seed: 4 });
  await roughen(model);
  return model;
}

const llamaWithBiases = smallLlama({ attentionBias: true, mlpBias: true, tiedHead: true });
const cases: [string, ModelConfig, Subnetwork][] = [
  ['gpt2: layers', smallConfig(), { layers: list(0, 2) }],
  ['gpt2: neurons', smallConfig(), { neurons: [list(0, 7, 100), list(1, 2, 3), list(4, 90, 127)] }],
  ['gpt2: both', smallConfig({ nInner: 90 }), { layers: list(1), neurons: [list(0, 3, 5, 89)] }],
  ['gpt2: all of it', smallConfig(), {}],
  ['gpt2: all heads, listed', smallConfig(), { heads: [list(0, 1, 2, 3), undefined, list(0, 1, 2, 3)] }],
  ['llama: a whole group of heads', smallLlama(), { heads: [list(1), list(0), list(1)] }],
  ['llama: without grouped queries', smallLlama({ nKvHead: 4 }), { heads: [list(0, 3), list(1, 2), list(0, 1)] }],
  ['llama: query heads, with all keys and values', smallLlama(), { queryHeads: [list(0, 2), list(1, 3), list(1, 2)] }],
  [
    'llama: all three',
    llamaWithBiases,
    { layers: list(0, 2), heads: [list(0), list(1)], neurons: [list(0, 5, 80), list(1, 2, 87)] },
  ],
  [
    'qwen2: all three',
    smallQwen2(),
    { layers: list(0, 2), heads: [list(0), list(1)], neurons: [list(0, 5, 80), list(1, 2, 87)] },
  ],
];

describe.each(cases)('%s', (_, config, subnetwork) => {
  test('has the logits of the subnetwork, in memory and after saving', async () => {
    using whole = await roughModel(config);
    const { tokens } = randomBatch(config, 3, 16);
    const options = { batchSize: 3, logits: 'all' as const };
    const expected = (await whole.forward(tokens, { ...options, subnetwork })).logits!;
    using part = await Model.fromContents(subnetworkContents(whole.contents(), subnetwork), { threads: 1 });
    expect(relativeDifference((await part.forward(tokens, options)).logits!, expected)).toBeLessThan(maskedFloat);
    const directory = path.join(await temporaryDirectory(), 'part');
    await part.save(directory);
    using loaded = await Model.load(directory, { threads: 1 });
    expect(loaded.config).toEqual(part.config);
    expect(relativeDifference((await loaded.forward(tokens, options)).logits!, expected)).toBeLessThan(maskedFloat);
    // The whole model is far away, so that the above means something.
    const isWhole = part.config.nLayer === config.nLayer && part.config.nHead === config.nHead;
    if (isWhole && part.config.nInner === config.nInner) return;
    expect(relativeDifference((await whole.forward(tokens, options)).logits!, expected)).toBeGreaterThan(0.01);
    expect(countParameters(part.config).total).toBeLessThan(countParameters(config).total);
  });
});

test('subnetworks as the sampler draws them, for a larger Llama', async () => {
  const config = smallLlama({ nLayer: 4, nHead: 8, nKvHead: 4, headSize: 4, nInner: 60 });
  using whole = await roughModel(config);
  const { tokens } = randomBatch(config, 2, 12);
  const options = { batchSize: 2, logits: 'all' as const };
  for (let group = 0; group < 6; group++) {
    for (const headSampling of ['group', 'query'] as const) {
      const rates = { heads: 0.5, neurons: 0.3, layers: 0.5 };
      const subnetwork = sampleSubnetwork({ ...config, headSampling, rates }, { seed: 2, step: 0, group });
      using part = await Model.fromContents(subnetworkContents(whole.contents(), subnetwork), { threads: 1 });
      expect(part.config).toMatchObject({ nLayer: 2, nHead: 4, nKvHead: headSampling === 'query' ? 4 : 2, nInner: 18 });
      const expected = (await whole.forward(tokens, { ...options, subnetwork })).logits!;
      expect(relativeDifference((await part.forward(tokens, options)).logits!, expected)).toBeLessThan(maskedFloat);
    }
  }
});

describe('what is scaled', () => {
  test('the matrices that add units up, by the ratio; no bias, and nothing where no unit is left out', async () => {
    using whole = await roughModel(llamaWithBiases);
    const part = subnetworkContents(whole.contents(), { heads: [list(1), list(1), list(1)] });
    const read = async (name: string) => [await part.readTensor(name), await whole.parameter(name)] as const;
    const [output, full] = await read('layers.1.self_attn.o_proj.weight');
    expect(output).toHaveLength(32 * 20);
    expect(output[20 * 3 + 7]).toBe(2 * full[40 * 3 + 20 + 7]!);
    for (const name of ['self_attn.o_proj.bias', 'mlp.down_proj.weight', 'mlp.down_proj.bias', 'mlp.up_proj.weight']) {
      const [kept, before] = await read(`layers.1.${name}`);
      expect(kept, name).toEqual(before);
    }
    const [keys, allKeys] = await read('layers.0.self_attn.k_proj.bias');
    expect(keys).toEqual(allKeys.slice(10, 20));
  });

  test('nothing without rescale', async () => {
    using whole = await roughModel(smallLlama());
    const subnetwork = { heads: [list(1), list(1), list(1)], neurons: [list(0, 4), list(3, 5), list(6, 7)] };
    const part = subnetworkContents(whole.contents(), { ...subnetwork, headScale: 1, neuronScale: 1 });
    const output = await part.readTensor('layers.1.self_attn.o_proj.weight');
    const full = await whole.parameter('layers.1.self_attn.o_proj.weight');
    expect(output.slice(0, 20)).toEqual(full.slice(20, 40));
    const down = await part.readTensor('layers.1.mlp.down_proj.weight');
    const fullDown = await whole.parameter('layers.1.mlp.down_proj.weight');
    expect([...down.slice(2, 4)]).toEqual([fullDown[88 + 3], fullDown[88 + 5]]);
  });

  test('tokenizer and end of text stay', async () => {
    using model = await Model.create(smallConfig(), { endOfText: 5, tokenizerFiles: { 'vocab.json': '{}' } });
    const part = subnetworkContents(model.contents(), { layers: list(1) });
    expect(part).toMatchObject({ endOfText: 5, tokenizerFiles: { 'vocab.json': '{}' } });
  });
});

describe('refuses', () => {
  const contentsOf = (model: ModelConfig) => ({
    model,
    tokenizerFiles: {},
    readTensor: async () => new Float32Array(),
  });

  test.each<[string, ModelConfig, Subnetwork, string, string]>([
    [
      'fewer heads of GPT-2',
      smallConfig(),
      { heads: [list(0, 1), list(1, 2), list(0, 3)] },
      'ERR_BURGEON_CONFIG',
      'heads: expected all 4, received 2: transformers takes n_embd / n_head for the width of a GPT-2 head',
    ],
    [
      'query heads that do not divide the width',
      smallLlama({ nKvHead: 4 }),
      { heads: [list(0, 1, 2), list(0, 1, 2), list(0, 1, 2)] },
      'ERR_BURGEON_CONFIG',
      'heads: expected a divisor of the width 32, which transformers insists on, received 3 query heads; possible are 1, 2, 4',
    ],
    [
      'layers of different sizes',
      smallConfig(),
      { neurons: [list(1, 2), list(3), undefined] },
      'ERR_BURGEON_CONFIG',
      'neurons: expected as many in every layer, as a model has, received 2, 1, 128',
    ],
    [
      'layers of different heads',
      smallLlama(),
      { heads: [list(1), undefined, list(0)] },
      'ERR_BURGEON_CONFIG',
      'heads: expected as many in every layer, as a model has, received 2, 4, 2',
    ],
    ['layers it does not have', smallConfig(), { layers: list(3) }, 'ERR_BURGEON_SHAPE', 'from 0 to 2, received 3'],
    [
      'query heads where groups are meant',
      smallLlama(),
      { heads: [list(2), list(2), list(2)] },
      'ERR_BURGEON_SHAPE',
      'from 0 to 1, received 2',
    ],
  ])('%s', (_, model, subnetwork, code, message) => {
    let error: unknown;
    try {
      subnetworkContents(contentsOf(model), subnetwork);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('only whole groups are offered', () => {
    const model = smallLlama({ nEmbd: 48, nHead: 12, nKvHead: 6 });
    expect(() => smallerModel(model, { layers: 1, heads: 10, kvHeads: 5, neurons: 4 })).toThrow(
      'received 10 query heads; possible are 2, 4, 6, 8, 12',
    );
  });
});
