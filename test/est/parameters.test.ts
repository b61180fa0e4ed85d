// Parameter counts against the published sizes.

import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
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
