// Llama in Hugging Face terms: configs of both versions of transformers, every fault in one, and names found in files.

import { describe, expect, test } from 'vitest';
import {
  configFromHuggingFace,
  configToHuggingFace,
  resolveTensorNames,
  savedName,
} from '../../lib/checkpoint/huggingface.ts';
import type { LlamaConfig } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { smallLlama } from '../helpers/models.ts';

/** The config.json of TinyLlama 1.1B, as far as it matters. */
const publicTinyLlama = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 2048,
  initializer_range: 0.02,
  intermediate_size: 5632,
  max_position_embeddings: 2048,
  model_type: 'llama',
  num_attention_heads: 32,
  num_hidden_layers: 22,
  num_key_value_heads: 4,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  tie_word_embeddings: false,
  vocab_size: 32000,
};
const tinyLlama: LlamaConfig = {
  architecture: 'llama',
  nLayer: 22,
  nHead: 32,
  nKvHead: 4,
  headSize: 64,
  nEmbd: 2048,
  nInner: 5632,
  contextLength: 2048,
  vocabSize: 32000,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10_000,
  tiedHead: false,
  attentionBias: false,
  mlpBias: false,
};
const llama3Scaling = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

describe('config.json', () => {
  test('of TinyLlama is read', () => {
    expect(configFromHuggingFace(publicTinyLlama)).toEqual(tinyLlama);
  });

  test("the defaults are transformers'", () => {
    const { rms_norm_eps: _, num_key_value_heads: __, max_position_embeddings: ___, ...rest } = publicTinyLlama;
    expect(configFromHuggingFace(rest)).toEqual({ ...tinyLlama, rmsNormEpsilon: 1e-6, nKvHead: 32 });
  });

  test.for<[string, Record<string, unknown>, Partial<LlamaConfig>]>([
    ['version 4', { rope_theta: 5e5 }, { ropeTheta: 5e5 }],
    ['version 5', { rope_parameters: { rope_type: 'default', rope_theta: 5e5 } }, { ropeTheta: 5e5 }],
    [
      'version 5 beside version 4, which the former overrides',
      { rope_theta: 7, rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { rope_theta: 5e5 } },
      { ropeTheta: 7, ropeScaling: { type: 'linear', factor: 2 } },
    ],
    [
      'an old linear one',
      { rope_scaling: { type: 'linear', factor: 2 } },
      { ropeScaling: { type: 'linear', factor: 2 } },
    ],
    [
      'Llama 3.1',
      { rope_theta: 5e5, rope_scaling: llama3Scaling },
      {
        ropeTheta: 5e5,
        ropeScaling: {
          type: 'llama3',
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalContextLength: 8192,
        },
      },
    ],
  ])('rotary positions: %s', ([, change, expected]) => {
    expect(configFromHuggingFace({ ...publicTinyLlama, ...change })).toEqual({ ...tinyLlama, ...expected });
  });

  test.for([
    tinyLlama,
    smallLlama({ tiedHead: true, attentionBias: true, mlpBias: true, ropeTheta: 5e5 }),
    smallLlama({ ropeScaling: { type: 'linear', factor: 4 } }),
  ])('survives the way through JSON', (model) => {
    expect(configFromHuggingFace(JSON.parse(JSON.stringify(configToHuggingFace(model))))).toEqual(model);
  });

  test.for<[Record<string, unknown>, string]>([
    [{ num_attention_heads: 0 }, 'num_attention_heads: expected a positive integer, found 0'],
    [{ num_attention_heads: 31 }, 'num_attention_heads: expected a divisor of hidden_size (2048), found 31'],
    [{ num_key_value_heads: 0 }, 'num_key_value_heads: expected a positive integer, found 0'],
    [{ num_key_value_heads: 5 }, 'num_key_value_heads: expected a divisor of num_attention_heads (32), found 5'],
    [{ num_key_value_heads: 64 }, 'num_key_value_heads: expected a divisor of num_attention_heads (32), found 64'],
    [{ head_dim: 63 }, 'head_dim: expected an even number, found 63'],
    [{ head_dim: '64' }, 'head_dim: expected a positive integer, found "64"'],
    [{ num_hidden_layers: undefined }, 'num_hidden_layers: expected a positive integer, found nothing'],
    [{ num_hidden_layers: 1e9 }, 'num_hidden_layers: expected at most 4096, found 1000000000'],
    [{ vocab_size: JSON.parse('1e999') }, 'vocab_size: expected at most 16777216, found Infinity'],
    [{ intermediate_size: -1 }, 'intermediate_size: expected a positive integer, found -1'],
    [{ rms_norm_eps: JSON.parse('1e999') }, 'rms_norm_eps: expected a positive number, found Infinity'],
    [{ rms_norm_eps: 0 }, 'rms_norm_eps: expected a positive number, found 0'],
    [{ hidden_act: 'gelu' }, 'hidden_act: burgeon supports "silu" or "swish", found "gelu"'],
    [{ attention_bias: 'yes' }, 'attention_bias: expected true or false, found "yes"'],
    [{ mlp_bias: 1 }, 'mlp_bias: expected true or false, found 1'],
    [{ is_causal: false }, 'is_causal: burgeon supports true, found false'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor: burgeon supports 1, found 0.5'],
    [{ rope_scaling: 'linear' }, 'rope_scaling: expected an object or null, found "linear"'],
    [{ rope_theta: 1 }, 'rope_theta: expected a number above 1, found 1'],
    [{ rope_theta: 'large' }, 'rope_theta: expected a number above 1, found "large"'],
    [{ rope_theta: JSON.parse('1e999') }, 'rope_theta: expected a number above 1, found Infinity'],
    [
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      'rope_scaling.rope_type: burgeon supports default, linear or llama3, found "yarn"',
    ],
    [
      { rope_parameters: { rope_type: 'dynamic' } },
      'rope_parameters.rope_type: burgeon supports default, linear or llama3, found "dynamic"',
    ],
    [{ rope_scaling: { type: 'linear' } }, 'rope_scaling.factor: expected a positive number, found nothing'],
    [
      { rope_scaling: { ...llama3Scaling, low_freq_factor: 4 } },
      'rope_scaling.low_freq_factor: expected below high_freq_factor (4), found 4',
    ],
  ])('with %o is refused, with one problem', ([change, message]) => {
    let error: unknown;
    try {
      configFromHuggingFace({ ...publicTinyLlama, ...change }, 'dir/config.json');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: `dir/config.json: not a model burgeon can read:\n  ${message}`,
    });
  });

  test('with several faults lists them all', () => {
    const faults = { num_attention_heads: 0, head_dim: 1.5, rope_theta: -1, hidden_act: 'relu' };
    expect(() => configFromHuggingFace({ ...publicTinyLlama, ...faults })).toThrow(
      /num_attention_heads.*\n.*rope_theta.*\n.*head_dim.*\n.*hidden_act/,
    );
  });
});

describe('names in a file', () => {
  const untied = smallLlama();
  const tied = smallLlama({ tiedHead: true });
  type Shapes = Map<string, { shape: readonly number[] }>;
  const found = (model: LlamaConfig, edit: (tensors: Shapes) => void = () => {}): Shapes => {
    const table = listTensors(model).map(({ name, shape }) => [savedName(model, name), { shape }] as const);
    const tensors = new Map(table);
    edit(tensors);
    return tensors;
  };

  test('the tensors of TinyLlama have 1,100,048,384 parameters', () => {
    const count = listTensors(tinyLlama).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(count).toBe(1_100_048_384);
  });

  test('are found with the prefix, but for the head, which has none', () => {
    const resolved = resolveTensorNames(found(untied), untied);
    expect(resolved.get('layers.2.mlp.up_proj.weight')).toBe('model.layers.2.mlp.up_proj.weight');
    expect(resolved.get('lm_head.weight')).toBe('lm_head.weight');
  });

  test('buffers of rotary angles are passed over', () => {
    const tensors = found(untied, (map) => {
      map.set('model.layers.0.self_attn.rotary_emb.inv_freq', { shape: [5] });
      map.set('model.rotary_emb.inv_freq', { shape: [5] });
    });
    expect(resolveTensorNames(tensors, untied).size).toBe(listTensors(untied).length);
  });

  test('a tied head is listed where it was saved, to be compared, and taken where only it was', () => {
    const stray = found(tied, (map) => map.set('lm_head.weight', { shape: [61, 32] }));
    expect(resolveTensorNames(stray, tied).get('lm_head.weight')).toBe('lm_head.weight');
    expect(resolveTensorNames(stray, tied).get('embed_tokens.weight')).toBe('model.embed_tokens.weight');
    stray.delete('model.embed_tokens.weight');
    expect(resolveTensorNames(stray, tied).get('embed_tokens.weight')).toBe('lm_head.weight');
  });

  test('everything missing, unknown, doubled or misshapen is listed', () => {
    const tensors = found(untied, (map) => {
      map.delete('lm_head.weight');
      map.delete('model.layers.1.self_attn.k_proj.weight');
      map.set('model.layers.0.self_attn.q_proj.bias', { shape: [40] });
      map.set('model.layers.3.mlp.up_proj.weight', { shape: [88, 32] });
      map.set('norm.weight', { shape: [32] });
      map.set('model.layers.2.mlp.down_proj.weight', { shape: [88, 32] });
    });
    expect(() => resolveTensorNames(tensors, untied, 'dir/model.safetensors')).toThrow(
      'dir/model.safetensors: the tensors are not those of the model in config.json:\n' +
        '  missing (2): layers.1.self_attn.k_proj.weight, lm_head.weight\n' +
        '  unknown (2): model.layers.0.self_attn.q_proj.bias, model.layers.3.mlp.up_proj.weight\n' +
        '  doubled (1): norm.weight\n' +
        '  wrong shape (1): model.layers.2.mlp.down_proj.weight [88,32] instead of [32,88]',
    );
  });
});
