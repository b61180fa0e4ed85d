// The first units of a model are a smaller model: the same bits in losses, updates and text. And growth: what every
// transition does, told by an independent copy through setParameter and setMoment, and what it keeps.

import { describe, expect, test } from 'vitest';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { type Part, partSubnetwork } from '../../lib/est/part.ts';
import { layerSources, type Transition } from '../../lib/est/transition.ts';
import { Model } from '../../lib/model/model.ts';
import type { ModelOptions } from '../../lib/model/options.ts';
import { generated, randomBatch, roughen, smallConfig, smallLlama } from '../helpers/models.ts';
import { relativeDifference } from '../helpers/tolerance.ts';

const gpt2 = smallConfig({ nLayer: 4 });
const llama = smallLlama({ nLayer: 4, nHead: 8, nKvHead: 4, headSize: 4, attentionBias: true, mlpBias: true });
const batchSize = 2;

function part(model: ModelConfig, layers: number, kvHeads?: number, neurons?: number): Part {
  const heads = kvHeads ?? (model.architecture === 'llama' ? model.nKvHead : model.nHead);
  const each = (count: number) => Array.from({ length: model.nLayer }, (_, layer) => (layer < layers ? count : 0));
  return { layers, heads: each(heads), neurons: each(neurons ?? model.nInner) };
}

async function roughModel(config: ModelConfig, options: ModelOptions = {}): Promise<Model> {
  const model = await Model.create(config, { threads: 1, ...options });
  await roughen(model);
  return model;
}

async function trainSteps(
  model: Model,
  steps: number,
  subnetwork?: ReturnType<typeof partSubnetwork>,
): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { tokens, targets } = randomBatch(model.config, batchSize, 9, step);
    losses.push((await model.forwardBackward(tokens, targets, { batchSize, subnetwork })).loss);
    // Without clipping: squares of listed rows are summed in another order, and so the norm differs in its last bit.
    const update = { lr: 1e-2, weightDecay: 0.1, inactive: step % 2 ? 'freeze' : 'zero-grad' } as const;
    await model.optimizerStep({ ...update, trained: subnetwork });
  }
  return losses;
}

describe('the first units', () => {
  const cases: [string, ModelConfig, Part][] = [
    ['layers of GPT-2', gpt2, part(gpt2, 2)],
    ['neurons of GPT-2', gpt2, part(gpt2, 4, 4, 48)],
    ['layers and neurons of GPT-2', gpt2, part(gpt2, 1, 4, 24)],
    ['layers of Llama', llama, part(llama, 3)],
    ['heads of Llama', llama, part(llama, 4, 2)],
    ['layers, heads and neurons of Llama', llama, part(llama, 2, 2, 40)],
  ];
  for (const precision of ['float32', 'bf16'] as const) {
    test.each(cases)(`are a smaller model, bit for bit, in ${precision}: %s`, async (_, config, trained) => {
      using whole = await roughModel(config, { precision });
      const subnetwork = partSubnetwork(trained, config)!;
      using small = await Model.fromContents(subnetworkContents(whole.contents(), subnetwork), {
        threads: 1,
        precision,
      });
      expect(await trainSteps(whole, 4, subnetwork)).toEqual(await trainSteps(small, 4));
      const prompt = [1, 2, 3];
      const text = await generated(whole, prompt, { maxTokens: 8, temperature: 0, subnetwork });
      expect(text).toEqual(await generated(small, prompt, { maxTokens: 8, temperature: 0 }));
      // Back among the other units: the same tensors.
      const after = subnetworkContents(whole.contents(), subnetwork);
      for (const name of small.tensorNames)
        expect(await after.readTensor(name), name).toEqual(await small.parameter(name));
    });
  }

  test('take no notice of NaN in what was never trained, and leave it', async () => {
    for (const [, config, trained] of cases) {
      const subnetwork = partSubnetwork(trained, config)!;
      using clean = await roughModel(config);
      using spoilt = await roughModel(config);
      const before = new Map<string, Float32Array>();
      for (const name of spoilt.tensorNames) before.set(name, Float32Array.from(await spoilt.parameter(name)));
      // What these steps change is what may be read; in one alone the gradient of a key's bias may come to exactly 0.
      await trainSteps(clean, 3, subnetwork);
      for (const name of spoilt.tensorNames) {
        const changed = await clean.parameter(name);
        const values = before.get(name)!.map((value, i) => (changed[i] === value ? Number.NaN : value));
        if (values.some(Number.isNaN) && /^(h|layers)\./.test(name)) await spoilt.setParameter(name, values);
        else before.delete(name);
      }
      expect(before.size).toBeGreaterThan(0);
      using again = await roughModel(config);
      expect(await trainSteps(spoilt, 3, subnetwork)).toEqual(await trainSteps(again, 3, subnetwork));
    }
  });

  test('are refused as trained where others have gradients', async () => {
    using model = await roughModel(gpt2);
    const { tokens, targets } = randomBatch(gpt2, batchSize, 9);
    await model.forwardBackward(tokens, targets, { batchSize });
    await expect(model.optimizerStep({ lr: 1e-3, trained: partSubnetwork(part(gpt2, 2), gpt2) })).rejects.toMatchObject(
      {
        code: 'ERR_BURGEON_SHAPE',
        message: expect.stringContaining('trained: expected every unit that has gradients'),
      },
    );
  });
});

/** All tensors and moments by name. */
async function everything(model: Model): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const name of model.tensorNames) {
    all.set(name, Float32Array.from(await model.parameter(name)));
    for (const which of ['m', 'v'] as const) {
      all.set(`${which} ${name}`, Float32Array.from(await model.moment(name, which)));
    }
  }
  return all;
}

describe('growth of depth', () => {
  for (const config of [gpt2, llama]) {
    for (const layers of ['stack', 'repeat', 'middle', 'keep', 'zero-out'] as const) {
      for (const moments of ['copy', 'zero'] as const) {
        test(`${config.architecture}: ${layers} with moments ${moments} is the copy through setParameter and setMoment`, async () => {
          const from = part(config, 3);
          const to = part(config, 4);
          using model = await roughModel(config);
          await trainSteps(model, 2, partSubnetwork(from, config));
          const expected = await everything(model);
          const sources = layerSources(layers, 3, 4);
          const before = new Map(expected);
          for (const name of expected.keys()) {
            const match = /^((?:[mv] )?)((?:h|layers)\.)(\d+)(\..*)$/.exec(name);
            if (match === null) continue;
            const [, moment, prefix, number, rest] = match as unknown as [string, string, string, string, string];
            const source = sources[Number(number)]!;
            const isOutput = /c_proj|o_proj|down_proj/.test(rest);
            if (source < 0) {
              if (layers === 'zero-out' && isOutput)
                expected.set(
                  name,
                  before.get(name)!.map(() => 0),
                );
              continue;
            }
            const values = before.get(`${moment}${prefix}${source}${rest}`)!;
            const isCopy = sources.indexOf(source) !== Number(number);
            expected.set(name, isCopy && moment !== '' && moments === 'zero' ? values.map(() => 0) : values);
          }
          await model.grow({ from, to, transition: { layers, moments } });
          expect(await everything(model)).toEqual(expected);
        });
      }
    }
  }
});

describe('what keeps the function', () => {
  const grown: [string, Transition, (config: ModelConfig) => [Part, Part]][] = [
    ['new layers that add nothing', { layers: 'zero-out' }, (config) => [part(config, 2), part(config, 4)]],
    ['new heads that add nothing', { width: 'zero-out' }, (config) => [part(config, 4, 2), part(config, 4, 4)]],
    [
      'new neurons that add nothing',
      { width: 'zero-out' },
      (config) => [part(config, 4, 4, 30), part(config, 4, 4, 80)],
    ],
    ['split neurons', { width: 'split' }, (config) => [part(config, 4, 4, 40), part(config, 4, 4, 80)]],
    ['some neurons split once more', { width: 'split' }, (config) => [part(config, 4, 4, 24), part(config, 4, 4, 80)]],
    ['split heads', { width: 'split' }, (config) => [part(config, 4, 2), part(config, 4, 4)]],
    [
      'everything at once',
      { layers: 'zero-out', width: 'split' },
      (config) => [part(config, 2, 1, 20), part(config, 4, 3, 50)],
    ],
  ];
  for (const config of [gpt2, llama]) {
    test.each(grown)(`${config.architecture}: %s`, async (_, transition, parts) => {
      const [from, to] = parts(config);
      using model = await roughModel(config);
      await trainSteps(model, 1, partSubnetwork(from, config));
      const { tokens } = randomBatch(config, batchSize, 9);
      const logits = async (trained: Part) =>
        (await model.forward(tokens, { batchSize, logits: 'all', subnetwork: partSubnetwork(trained, config) }))
          .logits!;
      const before = await logits(from);
      const without = await logits(to);
      await model.grow({ from, to, transition });
      expect(relativeDifference(await logits(to), before)).toBeLessThan(1e-5);
      expect(relativeDifference(without, before)).toBeGreaterThan(1e-3);
    });
  }

  test('copies of neurons whose moments are zero part ways; with equal moments they never do', async () => {
    const [from, to] = [part(gpt2, 4, 4, 64), part(gpt2, 4, 4, 128)];
    const difference = async (moments: 'copy' | 'zero') => {
      using model = await roughModel(gpt2);
      await trainSteps(model, 2, partSubnetwork(from, gpt2));
      await model.grow({ from, to, transition: { width: 'split', moments } });
      await trainSteps(model, 2);
      const bias = await model.parameter('h.1.mlp.c_fc.bias');
      return relativeDifference(bias.slice(0, 64), bias.slice(64));
    };
    expect(await difference('copy')).toBeLessThan(1e-6);
    expect(await difference('zero')).toBeGreaterThan(1e-4);
  });
});

describe('growth that is none', () => {
  const [half, all] = [part(gpt2, 2), part(gpt2, 4)];
  const stack: Transition = { layers: 'stack' };
  test.each<[string, string, unknown]>([
    ['CONFIG', 'options of grow(): expected an object, received nothing', undefined],
    ['SHAPE', 'from: expected layers, heads and neurons', { to: all, transition: stack }],
    [
      'SHAPE',
      'to.layers: expected an integer from 1 to 4, received 9',
      { from: half, to: { ...all, layers: 9 }, transition: stack },
    ],
    [
      'SHAPE',
      'from.layers: expected an integer from 1 to 4, received "2"',
      { from: { ...half, layers: '2' }, to: all, transition: stack },
    ],
    [
      'SHAPE',
      'to.layers: expected at least the 4 trained before, received 2',
      { from: all, to: half, transition: stack },
    ],
    [
      'SHAPE',
      'to.heads[0]: expected at least the 4 trained before, received 1',
      { from: all, to: part(gpt2, 4, 1), transition: stack },
    ],
    [
      'SHAPE',
      'to.neurons[0]: expected an integer from 1 to',
      { from: half, to: part(gpt2, 4, 4, 1e9), transition: { width: 'split' } },
    ],
    ['CONFIG', 'grow(): expected a transition of layers keep, stack', { from: half, to: all }],
    ['CONFIG', 'received {"layers":"stck"}', { from: half, to: all, transition: { layers: 'stck' } }],
  ])('ERR_BURGEON_%s: %s', async (code, message, growth) => {
    using model = await Model.create(gpt2, { threads: 1 });
    const before = await model.parameter('h.3.mlp.c_fc.weight');
    await expect(model.grow(growth as never)).rejects.toMatchObject({
      code: `ERR_BURGEON_${code}`,
      message: expect.stringContaining(message),
    });
    expect(await model.parameter('h.3.mlp.c_fc.weight')).toEqual(before);
  });
});

test('text is generated by the subnetwork as it was when generation began', async () => {
  using model = await roughModel(gpt2);
  const subnetwork = { layers: Int32Array.of(0, 1) };
  const options = { maxTokens: 8, seed: 3, subnetwork };
  const expected = await generated(model, [1, 2, 3], options);
  const tokens: number[] = [];
  for await (const token of model.generate([1, 2, 3], options)) {
    tokens.push(token);
    subnetwork.layers[1] = 3;
  }
  expect(tokens).toEqual(expected);
});
