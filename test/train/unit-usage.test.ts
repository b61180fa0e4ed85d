// How often units are trained, against counts done by hand.

import { expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { newUnitSums, UnitUsage } from '../../lib/train/unit-usage.ts';

const gpt2 = parseModelConfig({ preset: 'gpt2-tiny', vocabSize: 16 }); // 2 layers, 2 heads, 256 neurons

test('shares of one step and of all steps', () => {
  const sums = newUnitSums(gpt2);
  const usage = new UnitUsage(gpt2, sums);
  usage.begin();
  const neurons = [Int32Array.from({ length: 64 }, (_, i) => i)];
  usage.add({ layers: Int32Array.of(1), heads: [Int32Array.of(0)], neurons }, 0.75);
  usage.add({ layers: Int32Array.of(0) }, 0.25);
  usage.end();
  const first = {
    layers: [0.25, 0.75],
    heads: [
      [0.25, 0.25],
      [0.75, 0],
    ],
    neurons: [0.25, 0.1875],
  };
  expect(usage.step).toEqual(first);
  expect(usage.run).toEqual(first);

  // A run that goes on counts on.
  const continued = new UnitUsage(gpt2, JSON.parse(JSON.stringify(sums)));
  continued.begin();
  continued.add(undefined, 1);
  continued.end();
  expect(continued.step).toEqual({
    layers: [1, 1],
    heads: [
      [1, 1],
      [1, 1],
    ],
    neurons: [1, 1],
  });
  expect(continued.run).toEqual({
    layers: [0.625, 0.875],
    heads: [
      [0.625, 0.625],
      [0.875, 0.5],
    ],
    neurons: [0.625, 0.5938],
  });
});

test('a key and value head brings its query heads; listed query heads stand for themselves', () => {
  const llama = parseModelConfig({
    architecture: 'llama',
    nLayer: 1,
    nHead: 4,
    nKvHead: 2,
    nEmbd: 32,
    contextLength: 8,
    vocabSize: 16,
  });
  const usage = new UnitUsage(llama, newUnitSums(llama));
  usage.begin();
  usage.add({ heads: [Int32Array.of(1)] }, 0.5);
  usage.add({ queryHeads: [Int32Array.of(0, 2)] }, 0.5);
  usage.end();
  expect(usage.step.heads).toEqual([[0.5, 0, 1, 0.5]]);
});
