// GPT-2 in Hugging Face terms. Pure. Source: transformers configuration_gpt2.py and modeling_gpt2.py.

import type { Gpt2Config } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { ConfigReader, type Json } from './huggingface-config.ts';
import type { Family, KeptCounts } from './huggingface-family.ts';

export const gpt2Family: Family<Gpt2Config> = {
  modelType: 'gpt2',
  // In front of every name when GPT2LMHeadModel saves itself; absent when GPT2Model does, as in the public weights.
  prefix: 'transformer.',
  tokenEmbedding: 'wte.weight',
  tiedHead: () => true,
  // Causal masks that older transformers versions saved as if they were weights.
  buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
  toJson,
  fromJson,
  smaller,
};

function toJson(model: Gpt2Config): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: model.vocabSize,
    n_positions: model.contextLength,
    n_embd: model.nEmbd,
    n_layer: model.nLayer,
    n_head: model.nHead,
    n_inner: model.nInner === 4 * model.nEmbd ? null : model.nInner,
    activation_function: 'gelu_new',
    layer_norm_epsilon: model.layerNormEpsilon,
    initializer_range: 0.02,
    // Trained without dropout: the defaults (0.1) would add it to fine-tuning unasked.
    resid_pdrop: 0.0,
    embd_pdrop: 0.0,
    attn_pdrop: 0.0,
    scale_attn_weights: true,
    tie_word_embeddings: true,
  };
}

/** Dropout rates are ignored: burgeon has none. */
function fromJson(json: Json, source: string): Gpt2Config {
  const read = new ConfigReader(json, source);
  const nEmbd = read.count('n_embd');
  const model: Gpt2Config = {
    architecture: 'gpt2',
    nLayer: read.layers('n_layer'),
    nHead: read.count('n_head'),
    nEmbd,
    nInner: read.count('n_inner', 4 * nEmbd),
    contextLength: read.count('n_positions'),
    vocabSize: read.count('vocab_size'),
    layerNormEpsilon: read.positive('layer_norm_epsilon', 1e-5),
  };
  read.divisor('n_head', model.nHead, 'n_embd', nEmbd);
  read.supports({
    // gelu_pytorch_tanh is the same formula under another name.
    activation_function: ['gelu_new', 'gelu_pytorch_tanh'],
    scale_attn_weights: [true],
    scale_attn_by_inverse_layer_idx: [false],
    add_cross_attention: [false],
    is_causal: [true],
    tie_word_embeddings: [true],
  });
  read.finish();
  return model;
}

function smaller(model: Gpt2Config, { layers, heads, neurons }: KeptCounts): Gpt2Config {
  if (heads === model.nHead) return { ...model, nLayer: layers, nInner: neurons };
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `heads: expected all ${model.nHead}, received ${heads}: transformers takes n_embd / n_head for the width of a GPT-2 head, so one cannot be left out; leave out layers or neurons`,
  );
}
