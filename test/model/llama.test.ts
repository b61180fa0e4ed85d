// What is Llama's own on the way through a Model: names and shapes, FLOPs that are executed as counted, subnetworks of
// both kinds, updates that leave inactive parts alone, and a round trip through a directory.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countFlops } from '../../lib/est/flops.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Model } from '../../lib/model/model.ts';
import { allParameters, fingerprints, randomBatch, roughen, smallLlama, smallQwen2 } from '../helpers/models.ts';

const config = smallLlama();
const batchSize = 2;
const { tokens, targets } = randomBatch(config, batchSize, 16);
const rates = { heads: 0.5, neurons: 0.5, layers: 0.67 };
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-llama-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a Llama model', () => {
  it("has Hugging Face's names and shapes, and its projections start apart", async () => {
    using model = await Model.create(config, { threads: 1 });
    expect(model.tensorNames).toHaveLength(3 + 9 * config.nLayer);
    expect(model.shape('layers.1.self_attn.q_proj.weight')).toEqual([40, 32]);
    expect(model.shape('model.layers.1.self_attn.k_proj.weight')).toEqual([20, 32]);
    expect(model.shape('layers.1.self_attn.o_proj.weight')).toEqual([32, 40]);
    expect(model.shape('layers.2.mlp.down_proj.weight')).toEqual([32, 88]);
    expect(model.shape('lm_head.weight')).toEqual([61, 32]);
    const keys = await model.parameter('layers.0.self_attn.k_proj.weight');
    const values = await model.parameter('layers.0.self_attn.v_proj.weight');
    expect(keys).not.toEqual(values);
    expect(Math.hypot(...keys) / Math.sqrt(keys.length)).toBeCloseTo(0.02, 2);
    expect(await model.parameter('layers.2.input_layernorm.weight')).toEqual(new Float32Array(32).fill(1));
  });

  it('keeps the slices of a fused tensor apart when one is written', async () => {
    using model = await Model.create(config, { threads: 1 });
    const before = await allParameters(model);
    await model.setParameter('layers.1.self_attn.k_proj.weight', new Float32Array(20 * 32).fill(7));
    const after = await allParameters(model);
    for (const [name, values] of after) {
      if (name === 'layers.1.self_attn.k_proj.weight') expect(new Set(values)).toEqual(new Set([7]));
      else expect(values).toEqual(before.get(name));
    }
  });

  it.each(['group', 'query'] as const)('executes what the ledger counts, sampled by %s', async (headSampling) => {
    using model = await Model.create(config, { threads: 2 });
    for (let group = 0; group < 4; group++) {
      const subnetwork = sampleSubnetwork({ ...config, headSampling, rates }, { seed: 1, step: 0, group });
      const result = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
      const counted = countFlops(config, { batchSize, sequenceLength: 16, subnetwork });
      expect(result.forwardFlops).toEqual(counted.forward);
      expect(result.backwardFlops).toEqual(counted.backward);
    }
  });

  it('leaves what no group touched alone with freeze: rows of queries, keys, values, gate, up and down', async () => {
    using model = await Model.create(config, { threads: 2 });
    await roughen(model);
    const subnetwork = { layers: Int32Array.of(1), heads: [Int32Array.of(1)], neurons: [Int32Array.of(3, 80)] };
    const before = await allParameters(model);
    await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    await model.optimizerStep({ lr: 1e-2, weightDecay: 0.1, inactive: 'freeze' });
    const after = await allParameters(model);
    /** Rows of [out, in], or columns of it, that changed. */
    const changed = (name: string, along: 'rows' | 'columns' = 'rows') => {
      const [rows, cols] = model.shape(name) as [number, number];
      const lines = new Set<number>();
      after.get(name)!.forEach((value, i) => {
        if (value !== before.get(name)![i]) lines.add(along === 'rows' ? Math.floor(i / cols) : i % cols);
      });
      expect(rows * cols).toBe(after.get(name)!.length);
      return [...lines].sort((a, b) => a - b);
    };
    const span = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
    const layer = 'layers.1';
    expect(changed(`${layer}.self_attn.q_proj.weight`)).toEqual(span(20, 40));
    expect(changed(`${layer}.self_attn.k_proj.weight`)).toEqual(span(10, 20));
    expect(changed(`${layer}.self_attn.v_proj.weight`)).toEqual(span(10, 20));
    expect(changed(`${layer}.self_attn.o_proj.weight`, 'columns')).toEqual(span(20, 40));
    for (const matrix of ['gate_proj', 'up_proj']) expect(changed(`${layer}.mlp.${matrix}.weight`)).toEqual([3, 80]);
    expect(changed(`${layer}.mlp.down_proj.weight`, 'columns')).toEqual([3, 80]);
    for (const name of model.tensorNames.filter((each) => /^layers\.[02]\./.test(each))) {
      expect(after.get(name), name).toEqual(before.get(name));
    }
  });

  it.each([
    ['plain', config],
    ['tied, with biases', smallLlama({ tiedHead: true, attentionBias: true, mlpBias: true, ropeTheta: 5e5 })],
    ['Qwen2', smallQwen2()],
    ['Qwen2, tied', smallQwen2({ tiedHead: true })],
    ['linear rope', smallLlama({ ropeScaling: { type: 'linear', factor: 4 } })],
    [
      'llama3 rope',
      smallLlama({
        ropeScaling: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8 },
      }),
    ],
  ])('is the same after save and load: %s', async (name, each) => {
    using model = await Model.create(each, { threads: 1, seed: 5 });
    await roughen(model);
    const target = path.join(directory, name);
    await model.save(target);
    using loaded = await Model.load(target, { threads: 2 });
    expect(loaded.config).toEqual(model.config);
    expect(fingerprints(await allParameters(loaded))).toEqual(fingerprints(await allParameters(model)));
    const written = await readFile(path.join(target, 'model.safetensors'));
    await loaded.save(target);
    expect(written.equals(await readFile(path.join(target, 'model.safetensors')))).toBe(true);
    const [a, b] = [
      await model.forward(tokens, { batchSize, targets }),
      await loaded.forward(tokens, { batchSize, targets }),
    ];
    expect(a.loss).toBe(b.loss);
  });
});
