// Parameter counts against the published sizes, and the memory estimate against its list of tensors.

import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { estimateMemory } from '../../lib/est/memory.ts';
import { countParameters } from '../../lib/est/parameters.ts';

describe('countParameters', () => {
  test.each([
    ['gpt2', 124_439_808],
    ['gpt2-medium', 354_823_168],
    ['gpt2-large', 774_030_080],
    ['gpt2-xl', 1_557_611_200],
    ['tinyllama-1.1b', 1_100_048_384],
  ])('%s has %d', (preset, expected) => {
    const { total, ...components } = countParameters(parseModelConfig(preset));
    expect(total).toBe(expected);
    expect(Object.values(components).reduce((sum, count) => sum + count, 0)).toBe(total);
  });

  test('a small model by hand', () => {
    const model = parseModelConfig({ nLayer: 1, nHead: 1, nEmbd: 2, nInner: 3, contextLength: 5, vocabSize: 7 });
    expect(countParameters(model)).toEqual({
      tokenEmbedding: 14,
      positionEmbedding: 10,
      attention: 2 * 6 + 6 + (2 * 2 + 2),
      mlp: 2 * 3 + 3 + (3 * 2 + 2),
      norms: 3 * 4,
      head: 0,
      total: 14 + 10 + 24 + 17 + 12,
    });
  });
});

describe('estimateMemory', () => {
  const model = parseModelConfig('gpt2');
  const shape = { batchSize: 8, sequenceLength: 1024 };

  test('weights, gradients and two moments are 16 bytes per parameter', () => {
    const { weights, gradients, moments } = estimateMemory(model, shape);
    expect(weights + gradients + moments).toBe(16 * 124_439_808);
  });

  test('activations by hand', () => {
    // Per layer and token: 8 C, 2 F (16 C together for F = 4 C), 4 statistics, 12 log-sum-exps; outside: 2 C + 2.
    const floats = 8 * 1024 * (12 * (16 * 768 + 4 + 12) + 2 * 768 + 5);
    expect(estimateMemory(model, shape).activations).toBe(4 * floats);
  });

  test('only the largest group is in memory, and parts add up', () => {
    const whole = estimateMemory(model, shape);
    const cut = estimateMemory(model, { ...shape, groups: 3 });
    expect(cut.activations / whole.activations).toBe(3 / 8);
    expect(cut.weights).toBe(whole.weights);
    const { total, ...parts } = cut;
    expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
  });
});
