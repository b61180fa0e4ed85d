// What a model is made of, as plain data: types only. Reading and checking it is model-config.ts.

import type { RopeScaling } from './rope.ts';

/** What every architecture has. */
export interface ModelShape {
  /** Number of transformer layers, L. */
  nLayer: number;
  /** Attention heads per layer, NH; divides C. */
  nHead: number;
  /** Embedding width, C. */
  nEmbd: number;
  /** MLP neurons per layer, F. */
  nInner: number;
  /** Longest sequence, maxT. */
  contextLength: number;
  /** Vocabulary size, V. */
  vocabSize: number;
}

/** Pre-LN, learned positions, tanh GELU, biases, output head tied to the token embedding. F is 4 C unless given. */
export interface Gpt2Config extends ModelShape {
  architecture: 'gpt2';
  /** Added to the variance in LayerNorm. */
  layerNormEpsilon: number;
}

/** RMSNorm, rotary positions, SwiGLU, grouped queries: what Llama and Qwen2 have in common. */
export interface RotaryShape extends ModelShape {
  /** Key and value heads, KV; divides NH. NH / KV query heads share one. NH unless given. */
  nKvHead: number;
  /** Width of a head, HS; even. C / NH unless given. */
  headSize: number;
  /** Added to the mean square in RMSNorm. */
  rmsNormEpsilon: number;
  /** Base of the rotary angles. */
  ropeTheta: number;
  /** How the angles are stretched for longer contexts; absent: not at all. */
  ropeScaling?: RopeScaling;
  /** Whether the output head is the token embedding. */
  tiedHead: boolean;
}

export interface LlamaConfig extends RotaryShape {
  architecture: 'llama';
  /** Whether the four projections of attention have biases. */
  attentionBias: boolean;
  /** Whether the three matrices of the MLP have biases. */
  mlpBias: boolean;
}

/** Llama with biases of queries, keys and values, and no others. */
export interface Qwen2Config extends RotaryShape {
  architecture: 'qwen2';
}

export type ModelConfig = Gpt2Config | LlamaConfig | Qwen2Config;
