// A model as a program may give it: a name, a name and some fields, or fields.
// Written by `npm run docs:configuration` from the schema, whose words it has: do not edit.

import type { ModelPresetName } from './presets.ts';
import type { RopeScaling } from './rope.ts';

/** The fields of a model. */
export interface ModelFields {
  /** A model size to start from: gpt2, gpt2-medium, gpt2-large, gpt2-xl, gpt2-mini, gpt2-micro, gpt2-nano, gpt2-tiny, tinyllama-1.1b, llama-110m, llama-42m, llama-15m. The other fields override it. */
  preset?: ModelPresetName | undefined;
  /** Kind of model. Default: the preset's, or gpt2. */
  architecture?: 'gpt2' | 'llama' | 'qwen2' | undefined;
  /** Transformer layers, L. Required without a preset. */
  nLayer?: number | undefined;
  /** Attention heads per layer, NH; divides nEmbd. Required without a preset. */
  nHead?: number | undefined;
  /** Embedding width, C. Required without a preset. */
  nEmbd?: number | undefined;
  /** MLP neurons per layer, F. Default: 4 * nEmbd; llama and qwen2: 8/3 * nEmbd, rounded up to a multiple of 32. */
  nInner?: number | undefined;
  /** Longest sequence, the number of positions. Required without a preset. */
  contextLength?: number | undefined;
  /** Vocabulary size, V. Default: the preset's, or the tokenizer's of the training data. */
  vocabSize?: number | undefined;
  /** gpt2: added to the variance in LayerNorm. Default: 1e-5. */
  layerNormEpsilon?: number | undefined;
  /** llama, qwen2: key and value heads, KV, each shared by nHead / nKvHead query heads. Default: nHead. */
  nKvHead?: number | undefined;
  /** llama, qwen2: width of a head, even. Default: nEmbd / nHead. */
  headSize?: number | undefined;
  /** llama, qwen2: added to the mean square in RMSNorm. Default: 1e-5, qwen2: 1e-6. */
  rmsNormEpsilon?: number | undefined;
  /** llama, qwen2: base of the rotary angles. Default: 10000. */
  ropeTheta?: number | undefined;
  /** llama, qwen2: stretches the rotary angles, {type: linear, factor} or {type: llama3, ...}. Default: not. */
  ropeScaling?: RopeScaling | undefined;
  /** llama, qwen2: whether the output head is the token embedding. Default: false. */
  tiedHead?: boolean | undefined;
  /** llama: biases in the projections of attention. Default: false. */
  attentionBias?: boolean | undefined;
  /** llama: biases in the MLP. Default: false. */
  mlpBias?: boolean | undefined;
}

/** A model: the name of a preset, or a section of fields, which may begin with a preset. */
export type ModelConfigInput = ModelPresetName | ModelFields;
