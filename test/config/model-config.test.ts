// Models by preset, by preset with changes, and field by field; the vocabulary size; every error.

import { describe, expect, test } from 'vitest';
import { completeModel, type LlamaConfig, parseModelConfig } from '../../lib/config/model-config.ts';
import { modelPresetNames, modelPresets } from '../../lib/config/presets.ts';

const fields = { nLayer: 2, nHead: 2, nEmbd: 8, contextLength: 16, vocabSize: 65 };

describe('parseModelConfig', () => {
  test('a preset by name', () => {
    expect(parseModelConfig('gpt2')).toEqual({
      architecture: 'gpt2',
      nLayer: 12,
      nHead: 12,
      nEmbd: 768,
      nInner: 3072,
      contextLength: 1024,
      vocabSize: 50257,
      layerNormEpsilon: 1e-5,
    });
  });

  test('a preset with changes; the MLP follows the width', () => {
    expect(parseModelConfig({ preset: 'gpt2', nEmbd: 384, contextLength: 256 })).toMatchObject({
      nLayer: 12,
      nEmbd: 384,
      nInner: 1536,
      contextLength: 256,
    });
  });

  test('fields, with defaults', () => {
    expect(parseModelConfig(fields)).toEqual({ architecture: 'gpt2', ...fields, nInner: 32, layerNormEpsilon: 1e-5 });
    expect(parseModelConfig({ ...fields, nInner: 20, layerNormEpsilon: 1e-6 })).toMatchObject({
      nInner: 20,
      layerNormEpsilon: 1e-6,
    });
  });

  test("Qwen2 has Llama's fields but its biases, and an epsilon of its own", () => {
    const {
      attentionBias: _,
      mlpBias: __,
      ...llama
    } = parseModelConfig({
      ...fields,
      architecture: 'llama',
    }) as LlamaConfig;
    expect(parseModelConfig({ ...fields, architecture: 'qwen2' })).toEqual({
      ...llama,
      architecture: 'qwen2',
      rmsNormEpsilon: 1e-6,
    });
  });

  test.each(['gpt2-medium', 'tinyllama-1.1b', { ...fields, architecture: 'qwen2' }])(
    'its own result is valid and unchanged: %o',
    (input) => {
      const model = parseModelConfig(input);
      expect(parseModelConfig(model)).toEqual(model);
    },
  );

  test('every preset is valid', () => {
    for (const name of modelPresetNames) expect(parseModelConfig(name, 32000)).toMatchObject(modelPresets[name]);
  });
});

describe('vocabulary size', () => {
  test("comes from the data where the model has none, and may exceed the data's", () => {
    expect(parseModelConfig('gpt2-nano', 65).vocabSize).toBe(65);
    expect(parseModelConfig('gpt2', 50000).vocabSize).toBe(50257);
  });

  test('errors', () => {
    expect(() => parseModelConfig('gpt2-nano')).toThrow('model.vocabSize: expected a value, received nothing');
    const { vocabSize: _, ...spec } = parseModelConfig(fields);
    expect(() => completeModel(spec)).toThrow('no data to take it from');
    expect(() => parseModelConfig(fields, 66)).toThrow("model.vocabSize: expected at least the data's 66, received 65");
  });
});

describe('errors', () => {
  test.each<[string, unknown]>([
    ['preset: expected one of gpt2, ', 'gtp2'],
    ['received "gtp2"; did you mean gpt2?', 'gtp2'],
    ["expected a preset's name or a section of model fields, received 5", 5],
    ['nHead: expected a divisor of nEmbd (8), received 3', { ...fields, nHead: 3 }],
    ['nLayer: expected an integer from 1 to 1024, received 0', { ...fields, nLayer: 0 }],
    ['nEmbd: expected an integer from 1 to 65536, received 8.5', { ...fields, nEmbd: 8.5 }],
    ['vocabSize: expected an integer from 1 to 16777216, received "50257"', { ...fields, vocabSize: '50257' }],
    ['layerNormEpsilon: expected a number above 0 and below 1, received 0', { ...fields, layerNormEpsilon: 0 }],
    [
      'architecture: expected one of gpt2, llama, qwen2, received "lama"; did you mean llama?',
      { ...fields, architecture: 'lama' },
    ],
    ['nKvHead: expected nothing, because architecture gpt2 has no such field; leave it out', { ...fields, nKvHead: 2 }],
    [
      'layerNormEpsilon: expected nothing, because architecture llama has no such field',
      { ...fields, architecture: 'llama', layerNormEpsilon: 1e-5 },
    ],
    [
      'attentionBias: expected nothing, because architecture qwen2 has no such field; leave it out',
      { ...fields, architecture: 'qwen2', attentionBias: false },
    ],
    ['nKvHead: expected a divisor of nHead', { ...fields, architecture: 'llama', nKvHead: 3 }],
    [
      'headSize: expected an even number, for rotary positions, received 3',
      { ...fields, architecture: 'llama', headSize: 3 },
    ],
    [
      'ropeScaling: expected {type: linear, factor} or {type: llama3, factor,',
      { ...fields, architecture: 'llama', ropeScaling: { type: 'yarn', factor: 2 } },
    ],
    ['contextLength: expected a value, received nothing; give it, or model.preset', { nLayer: 1, nHead: 1, nEmbd: 8 }],
    ['n_layer: unknown key; did you mean nLayer?', { ...fields, n_layer: 3 }],
    ['hidden_size: unknown key; did you mean nEmbd?', { ...fields, hidden_size: 3 }],
  ])('%s', (message, input) => {
    expect(() => parseModelConfig(input)).toThrow(message);
    expect(() => parseModelConfig(input)).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
  });
});
