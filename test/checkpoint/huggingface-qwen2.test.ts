// Qwen2 in Hugging Face terms: what its config.json says beside Llama's, and when a window of attention is used.

import { describe, expect, test } from 'vitest';
import { configFromHuggingFace, configToHuggingFace, savedName } from '../../lib/checkpoint/huggingface.ts';
import type { Qwen2Config } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { smallQwen2 } from '../helpers/models.ts';

/** The config.json of Qwen2 0.5B, as far as it matters. */
const publicQwen2 = {
  architectures: ['Qwen2ForCausalLM'],
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151643,
  hidden_act: 'silu',
  hidden_size: 896,
  initializer_range: 0.02,
  intermediate_size: 4864,
  max_position_embeddings: 131072,
  max_window_layers: 24,
  model_type: 'qwen2',
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  sliding_window: 131072,
  tie_word_embeddings: true,
  use_sliding_window: false,
  vocab_size: 151936,
};
const qwen2: Qwen2Config = {
  architecture: 'qwen2',
  nLayer: 24,
  nHead: 14,
  nKvHead: 2,
  headSize: 64,
  nEmbd: 896,
  nInner: 4864,
  contextLength: 131072,
  vocabSize: 151936,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 1e6,
  tiedHead: true,
};

describe('config.json', () => {
  test('of Qwen2 0.5B is read', () => {
    expect(configFromHuggingFace(publicQwen2)).toEqual(qwen2);
  });

  test("the defaults are transformers'", () => {
    const {
      rms_norm_eps: _,
      rope_theta: __,
      max_position_embeddings: ___,
      tie_word_embeddings: ____,
      ...rest
    } = publicQwen2;
    const defaults = { rmsNormEpsilon: 1e-6, ropeTheta: 10_000, contextLength: 32768, tiedHead: false };
    expect(configFromHuggingFace(rest)).toEqual({ ...qwen2, ...defaults });
  });

  test('key and value heads are 32 where they are absent, those of the queries where they are null', () => {
    const { num_key_value_heads: _, ...rest } = { ...publicQwen2, num_attention_heads: 64, hidden_size: 4096 };
    expect(configFromHuggingFace(rest)).toMatchObject({ nKvHead: 32 });
    expect(configFromHuggingFace({ ...rest, num_key_value_heads: null })).toMatchObject({ nKvHead: 64 });
  });

  test.for([qwen2, smallQwen2(), smallQwen2({ ropeScaling: { type: 'linear', factor: 4 } })])(
    'survives the way through JSON',
    (model) => {
      const json = configToHuggingFace(model);
      expect(json).toMatchObject({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' });
      expect(configFromHuggingFace(JSON.parse(JSON.stringify(json)))).toEqual(model);
    },
  );

  const window = { use_sliding_window: true, sliding_window: 4096, max_window_layers: 21 };

  test.for<[string, Record<string, unknown>]>([
    ['is not wanted', { ...window, use_sliding_window: false }],
    ['has no length', { ...window, sliding_window: null }],
    ['begins after the last layer', { ...window, max_window_layers: 24 }],
    ['begins at layer 28, as it does by default', { ...window, max_window_layers: undefined }],
    ['is as long as the context', { ...window, sliding_window: 131072 }],
    ['is of no layer', { ...window, layer_types: new Array(24).fill('full_attention') }],
  ])('a window that %s is passed over', ([, change]) => {
    expect(configFromHuggingFace({ ...publicQwen2, ...change })).toEqual(qwen2);
  });

  test.for<[Record<string, unknown>, string]>([
    [window, 'use_sliding_window: burgeon supports false, found true: layers from 21 on see 4096 of 131072 tokens'],
    [
      { ...window, sliding_window: undefined },
      'use_sliding_window: burgeon supports false, found true: layers from 21 on see 4096 of 131072 tokens',
    ],
    [
      { ...window, max_window_layers: undefined, num_hidden_layers: 29 },
      'use_sliding_window: burgeon supports false, found true: layers from 28 on see 4096 of 131072 tokens',
    ],
    [
      { layer_types: ['full_attention', 'sliding_attention'] },
      'layer_types: burgeon supports "full_attention" of all, found "sliding_attention"',
    ],
    [{ layer_types: 'full' }, 'layer_types: burgeon supports "full_attention" of all, found "full"'],
    [{ use_sliding_window: 'yes' }, 'use_sliding_window: expected true or false, found "yes"'],
    [
      { ...window, sliding_window: '131072' },
      'use_sliding_window: burgeon supports false, found true: layers from 21 on see "131072" of 131072 tokens',
    ],
    [{ hidden_act: 'gelu' }, 'hidden_act: burgeon supports "silu" or "swish", found "gelu"'],
    [
      { rope_scaling: { type: 'yarn', factor: 4 } },
      'rope_scaling.rope_type: burgeon supports default, linear or llama3, found "yarn"',
    ],
  ])('with %o is refused, with one problem', ([change, message]) => {
    expect(() => configFromHuggingFace({ ...publicQwen2, ...change })).toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_CHECKPOINT',
        message: `config.json: not a model burgeon can read:\n  ${message}`,
      }),
    );
  });
});

test('the tensors of Qwen2 0.5B have 494,032,768 parameters, and biases where it has them', () => {
  const tensors = listTensors(qwen2);
  expect(tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(494_032_768);
  const biases = tensors.map(({ name }) => savedName(qwen2, name)).filter((name) => /layers\.0\..*bias/.test(name));
  expect(biases).toEqual(['q', 'k', 'v'].map((part) => `model.layers.0.self_attn.${part}_proj.bias`));
});
