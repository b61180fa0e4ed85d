// Importance of layers, heads and neurons: against the definition, and whether it finds what matters.

import { beforeAll, describe, expect, test } from 'vitest';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import { loadDataset } from '../../lib/data/dataset.ts';
import type { FixedBatch } from '../../lib/data/fixed-windows.ts';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import { chooseSubnetwork } from '../../lib/train/choose-subnetwork.ts';
import { evaluate } from '../../lib/train/evaluator.ts';
import { layerImportance, unitImportance } from '../../lib/train/importance.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { allParameters, fingerprints, randomBatch, roughen, smallConfig, smallLlama } from '../helpers/models.ts';
import { prepareText, tinyConfig, trainerOf } from './helpers.ts';

/** Windows of one sequence each. */
async function* windowsOf(tokens: Int32Array, targets: Int32Array, length: number): AsyncGenerator<FixedBatch> {
  for (let begin = 0; begin < tokens.length; begin += length) {
    const [inputs, outputs] = [tokens.subarray(begin, begin + length), targets.subarray(begin, begin + length)];
    yield { tokens: inputs, targets: outputs, batchSize: 1, sequenceLength: length };
  }
}

/** d loss / d factor on some rows or columns of a matrix, from two losses in double precision. */
async function slope(model: Model, name: string, lines: [number, number], axis: 'rows' | 'columns', batch: FixedBatch) {
  const before = await model.parameter(name);
  const cols = model.shape(name)[1]!;
  const lossWith = async (factor: number) => {
    const changed = before.map((value, i) => {
      const line = axis === 'rows' ? Math.floor(i / cols) : i % cols;
      return line >= lines[0] && line < lines[1] ? factor * value : value;
    });
    await model.setParameter(name, changed);
    return (await model.forward(batch.tokens, { targets: batch.targets })).loss;
  };
  const step = 1e-4;
  const result = ((await lossWith(1 + step)) - (await lossWith(1 - step))) / (2 * step);
  await model.setParameter(name, before);
  return result;
}

describe('of heads and neurons is the slope of the loss, absolute per window, summed over windows', () => {
  const double = { device: 'reference', precision: 'float64', threads: 1 } as const;

  test.each([
    ['gpt2', smallConfig({ nInner: 40 }), 'h.1.mlp.c_proj.weight', 'rows', undefined],
    [
      'llama',
      smallLlama({ nInner: 40 }),
      'layers.1.mlp.down_proj.weight',
      'columns',
      'layers.1.self_attn.o_proj.weight',
    ],
  ] as const)('%s', async (_, config, neuronMatrix, axis, headMatrix) => {
    using model = await Model.create(config, double);
    await roughen(model);
    const { tokens, targets } = randomBatch(config, 3, 12);
    const importance = await unitImportance(model, windowsOf(tokens, targets, 12), undefined);
    expect(importance.map(({ neurons }) => neurons.length)).toEqual([40, 40, 40]);
    const expected = async (name: string, lines: [number, number]) => {
      let sum = 0;
      for await (const window of windowsOf(tokens, targets, 12)) {
        sum += Math.abs(await slope(model, name, lines, axis, window));
      }
      return sum;
    };
    for (const neuron of [0, 17, 39]) {
      expect(importance[1]!.neurons[neuron]).toBeCloseTo(await expected(neuronMatrix, [neuron, neuron + 1]), 7);
    }
    if (headMatrix === undefined) return;
    // A key and value head of width 10 with its two query heads.
    for (const head of [0, 1]) {
      expect(importance[1]!.heads[head]).toBeCloseTo(await expected(headMatrix, [20 * head, 20 * head + 20]), 7);
    }
  });

  test('is that of the network of the given layers, leaves the weights alone and the gradients clear', async () => {
    const config = smallLlama();
    using model = await Model.create(config, { threads: 1 });
    await roughen(model);
    const before = fingerprints(await allParameters(model));
    const { tokens, targets } = randomBatch(config, 2, 12);
    const layers = Int32Array.of(0, 2);
    const importance = await unitImportance(model, windowsOf(tokens, targets, 12), layers);
    const whole = await unitImportance(model, windowsOf(tokens, targets, 12), undefined);
    expect(importance).toHaveLength(2);
    expect(importance[1]!.neurons).not.toEqual(whole[2]!.neurons);
    expect(fingerprints(await allParameters(model))).toEqual(before);
    expect((await model.gradient('layers.0.mlp.down_proj.weight')).every((value) => value === 0)).toBe(true);
  });
});

test('of layers is the loss without each', async () => {
  const config = smallConfig();
  using model = await Model.create(config, { threads: 1 });
  await roughen(model);
  const { tokens, targets } = randomBatch(config, 2, 16);
  const batch = { tokens, targets, batchSize: 2, sequenceLength: 16 };
  const batches = {
    async *[Symbol.asyncIterator]() {
      yield batch;
    },
  };
  const losses = [...(await layerImportance(model, batches))];
  for (const [left, layers] of [
    [1, 2],
    [0, 2],
    [0, 1],
  ].entries()) {
    const subnetwork = { layers: Int32Array.from(layers) };
    expect(losses[left]).toBeCloseTo((await model.forward(tokens, { batchSize: 2, targets, subnetwork })).loss, 12);
  }
});

describe('on a trained model', () => {
  let data: string;
  beforeAll(async () => {
    const prepared = await prepareText();
    data = prepared.data;
    return prepared.remove;
  });

  test('leaving out the least important costs less than leaving out as many others', async () => {
    const settings = tinyConfig(data, await temporaryDirectory(), {
      model: { architecture: 'llama', nLayer: 4, nHead: 4, nKvHead: 4, nEmbd: 32, contextLength: 16 },
      steps: 150,
      batchSize: 16,
    });
    await using trainer = trainerOf(settings);
    for await (const _ of trainer.run());
    const { model } = trainer;
    const dataset = await loadDataset({ directory: data });
    // Importance is about leaving units out, with nothing else changed.
    const loss = async (subnetwork: Subnetwork) => {
      const contents = subnetworkContents(model.contents(), { ...subnetwork, headScale: 1, neuronScale: 1 });
      using part = await Model.fromContents(contents, { threads: 1 });
      return (await evaluate(part, fixedWindows(dataset.validation!, 16, 'all'))).loss;
    };
    const calibration = { model, source: dataset.train, windows: 24 };
    const dense = await loss({});
    let calls: [number, number][] = [];
    for (const [rules, total] of [
      [{ neurons: { rate: 0.5 } }, 24],
      [{ heads: { rate: 0.5 } }, 24],
      [{ heads: { rate: 0.5 }, neurons: { rate: 0.5 }, layers: { rate: 0.75 } }, 5 * 24],
    ] as const) {
      calls = [];
      const onProgress = (done: number, all: number) => calls.push([done, all]);
      const important = await chooseSubnetwork(model.config, rules, { ...calibration, onProgress });
      expect(calls.at(-1)).toEqual([total, total]);
      const spread = await chooseSubnetwork(model.config, rules);
      const [best, even] = [await loss(important), await loss(spread)];
      expect(best, JSON.stringify(rules)).toBeLessThan(even);
      expect(best).toBeGreaterThan(dense);
    }
    // Nothing to choose: nothing is measured.
    calls = [];
    const nothing = { ...calibration, onProgress: () => calls.push([0, 0]) };
    expect(await chooseSubnetwork(model.config, { layers: { list: [1] }, heads: { rate: 1 } }, nothing)).toEqual({
      layers: Int32Array.of(1),
    });
    expect(calls).toEqual([]);
    await dataset.close();
  });
});
