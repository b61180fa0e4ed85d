// Llama in Hugging Face terms, and what Qwen2 has in common with it. Pure. Source: transformers configuration_llama.py, modeling_llama.py and
// modeling_rope_utils.py, versions 4 and 5.

import type { LlamaConfig } from '../config/model-config.ts';
import type { RotaryShape } from '../config/model-shape.ts';
import type { RopeScaling } from '../config/rope.ts';
import { BurgeonError } from '../errors.ts';
import { isJsonObject } from '../formats/json.ts';
import { quote } from '../quote.ts';
import { ConfigReader, isPositive, type Json } from './huggingface-config.ts';
import type { Family, KeptCounts } from './huggingface-family.ts';

/** Of all models with rotary positions. */
export const rotaryNames = {
  prefix: 'model.',
  tokenEmbedding: 'embed_tokens.weight',
  tiedHead: (model: RotaryShape) => model.tiedHead,
  // Saved by early versions: recomputed from the config.
  buffers: /(^|\.)rotary_emb\.inv_freq$/,
};

export const llamaFamily: Family<LlamaConfig> = {
  ...rotaryNames,
  modelType: 'llama',
  toJson: (model) => ({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    ...rotaryToJson(model),
    attention_bias: model.attentionBias,
    mlp_bias: model.mlpBias,
    pretraining_tp: 1,
  }),
  fromJson(json, source) {
    const read = new ConfigReader(json, source);
    const model: LlamaConfig = {
      architecture: 'llama',
      ...readRotary(json, read, { contextLength: 2048 }),
      attentionBias: read.flag('attention_bias', false),
      mlpBias: read.flag('mlp_bias', false),
    };
    read.finish();
    return model;
  },
  smaller: smallerRotary,
};

export function rotaryToJson(model: RotaryShape): Record<string, unknown> {
  const scaling = model.ropeScaling === undefined ? undefined : scalingToJson(model.ropeScaling);
  return {
    vocab_size: model.vocabSize,
    max_position_embeddings: model.contextLength,
    hidden_size: model.nEmbd,
    intermediate_size: model.nInner,
    num_hidden_layers: model.nLayer,
    num_attention_heads: model.nHead,
    num_key_value_heads: model.nKvHead,
    head_dim: model.headSize,
    hidden_act: 'silu',
    rms_norm_eps: model.rmsNormEpsilon,
    // Version 4 reads the first two, version 5 the third.
    rope_theta: model.ropeTheta,
    rope_scaling: scaling ?? null,
    rope_parameters: { ...(scaling ?? { rope_type: 'default' }), rope_theta: model.ropeTheta },
    attention_dropout: 0.0,
    initializer_range: 0.02,
    tie_word_embeddings: model.tiedHead,
  };
}

/** @param defaults what transformers takes where a key is absent. */
export function readRotary(
  json: Json,
  read: ConfigReader,
  defaults: { contextLength: number; nKvHead?: number },
): RotaryShape {
  const nHead = read.count('num_attention_heads');
  const nEmbd = read.count('hidden_size');
  const nKvHead = read.count(
    'num_key_value_heads',
    json.num_key_value_heads === undefined ? (defaults.nKvHead ?? nHead) : nHead,
  );
  read.divisor('num_attention_heads', nHead, 'hidden_size', nEmbd);
  // Not divisible is one problem, not two.
  const defaultHeadSize = nEmbd % nHead === 0 ? nEmbd / nHead : 2;
  const { theta, scaling } = readRope(json, read);
  const model: RotaryShape = {
    nLayer: read.layers('num_hidden_layers'),
    nHead,
    nEmbd,
    nInner: read.count('intermediate_size'),
    contextLength: read.count('max_position_embeddings', defaults.contextLength),
    vocabSize: read.count('vocab_size'),
    nKvHead,
    headSize: read.count('head_dim', defaultHeadSize),
    rmsNormEpsilon: read.positive('rms_norm_eps', 1e-6),
    ropeTheta: theta,
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
    tiedHead: read.flag('tie_word_embeddings', false),
  };
  read.divisor('num_key_value_heads', nKvHead, 'num_attention_heads', nHead);
  read.even('head_dim', model.headSize);
  read.supports({ hidden_act: ['silu', 'swish'], is_causal: [true], partial_rotary_factor: [1] });
  return model;
}

/**
 * Version 4's rope_scaling and rope_theta, or version 5's rope_parameters. Where both are there rope_scaling takes the place
 * of all that rope_parameters says, its rope_theta included, as in version 5 (convert_rope_params_to_dict).
 */
function readRope(json: Json, read: ConfigReader): { theta: number; scaling?: RopeScaling } {
  const keys = ['rope_scaling', 'rope_parameters'] as const;
  for (const each of keys) {
    if (json[each] == null || isJsonObject(json[each])) continue;
    read.report(`${each}: expected an object or null, found ${quote(json[each])}`);
  }
  const key = keys.find((each) => isJsonObject(json[each]) && Object.keys(json[each]).length > 0) ?? 'rope_parameters';
  const parameters = isJsonObject(json[key]) ? json[key] : {};
  const theta = parameters.rope_theta ?? json.rope_theta ?? 10_000;
  if (!isPositive(theta) || theta <= 1) {
    read.report(`rope_theta: expected a number above 1, found ${quote(theta)}`);
    return { theta: 10_000 };
  }
  const numberAt = (name: string): number => {
    const value = parameters[name];
    if (isPositive(value)) return value;
    read.report(`${key}.${name}: expected a positive number, found ${quote(value)}`);
    return 1;
  };
  const share = parameters.partial_rotary_factor ?? 1;
  if (share !== 1) read.report(`${key}.partial_rotary_factor: burgeon supports 1, found ${quote(share)}`);
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  if (type === 'default') return { theta };
  if (type === 'linear') return { theta, scaling: { type, factor: numberAt('factor') } };
  if (type === 'llama3') {
    const scaling: RopeScaling = {
      type,
      factor: numberAt('factor'),
      lowFreqFactor: numberAt('low_freq_factor'),
      highFreqFactor: numberAt('high_freq_factor'),
      originalContextLength: numberAt('original_max_position_embeddings'),
    };
    if (scaling.lowFreqFactor >= scaling.highFreqFactor) {
      const { lowFreqFactor, highFreqFactor } = scaling;
      read.report(
        `${key}.low_freq_factor: expected below high_freq_factor (${highFreqFactor}), found ${lowFreqFactor}`,
      );
    }
    return { theta, scaling };
  }
  read.report(`${key}.rope_type: burgeon supports default, linear or llama3, found ${quote(type)}`);
  return { theta };
}

function scalingToJson(scaling: RopeScaling): Record<string, unknown> {
  if (scaling.type === 'linear') return { rope_type: 'linear', factor: scaling.factor };
  return {
    rope_type: 'llama3',
    factor: scaling.factor,
    low_freq_factor: scaling.lowFreqFactor,
    high_freq_factor: scaling.highFreqFactor,
    original_max_position_embeddings: scaling.originalContextLength,
  };
}

export function smallerRotary<Config extends RotaryShape>(
  model: Config,
  { layers, heads, kvHeads, neurons }: KeptCounts,
): Config {
  if (model.nEmbd % heads === 0) {
    return { ...model, nLayer: layers, nHead: heads, nKvHead: kvHeads, nInner: neurons };
  }
  const group = heads / kvHeads;
  const counts = Array.from({ length: model.nHead / group }, (_, i) => (i + 1) * group);
  const possible = counts.filter((count) => model.nEmbd % count === 0).join(', ');
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `heads: expected a divisor of the width ${model.nEmbd}, which transformers insists on, received ${heads} query heads; possible are ${possible}`,
  );
}
