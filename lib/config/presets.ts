// Named model sizes. The four large `gpt2` ones are the released GPT-2 models (openai/gpt-2; transformers `GPT2Config`),
// `tinyllama-1.1b` is TinyLlama's (jzhang38/TinyLlama); the small llamas have the sizes of llama2.c's story models. The
// small GPT-2s are burgeon's, for tests and for learning on a CPU. Small ones take their vocabulary from the data.

import type { Gpt2Config, LlamaConfig } from './model-shape.ts';

/** The fields of a preset; the rest are defaults. */
type Sizes<Config> = Pick<Config, Extract<'nLayer' | 'nHead' | 'nEmbd' | 'contextLength', keyof Config>> &
  Partial<Config>;
type ModelPreset = Sizes<Gpt2Config> | (Sizes<LlamaConfig> & Pick<LlamaConfig, 'architecture'>);

/** Model sizes by name. Parameters in brackets; those of the small ones leave the token embedding out. */
export const modelPresets = {
  /** 124 M. */
  gpt2: { nLayer: 12, nHead: 12, nEmbd: 768, contextLength: 1024, vocabSize: 50257 },
  /** 355 M. */
  'gpt2-medium': { nLayer: 24, nHead: 16, nEmbd: 1024, contextLength: 1024, vocabSize: 50257 },
  /** 774 M. */
  'gpt2-large': { nLayer: 36, nHead: 20, nEmbd: 1280, contextLength: 1024, vocabSize: 50257 },
  /** 1.56 B. */
  'gpt2-xl': { nLayer: 48, nHead: 25, nEmbd: 1600, contextLength: 1024, vocabSize: 50257 },
  /** 10.7 M. */
  'gpt2-mini': { nLayer: 6, nHead: 6, nEmbd: 384, contextLength: 256 },
  /** 2.7 M. */
  'gpt2-micro': { nLayer: 6, nHead: 6, nEmbd: 192, contextLength: 128 },
  /** 0.8 M. */
  'gpt2-nano': { nLayer: 4, nHead: 4, nEmbd: 128, contextLength: 64 },
  /** 0.1 M; runs in seconds and learns little. */
  'gpt2-tiny': { nLayer: 2, nHead: 2, nEmbd: 64, contextLength: 32 },
  /** 1.10 B: 32 query heads share 4 key and value heads. */
  'tinyllama-1.1b': {
    architecture: 'llama',
    nLayer: 22,
    nHead: 32,
    nKvHead: 4,
    nEmbd: 2048,
    nInner: 5632,
    contextLength: 2048,
    vocabSize: 32000,
  },
  /** 110 M with 32,000 tokens; 85 M in the layers. */
  'llama-110m': { architecture: 'llama', nLayer: 12, nHead: 12, nEmbd: 768, contextLength: 1024, tiedHead: true },
  /** 42 M with 32,000 tokens; 25 M in the layers. */
  'llama-42m': { architecture: 'llama', nLayer: 8, nHead: 8, nEmbd: 512, contextLength: 1024, tiedHead: true },
  /** 15 M with 32,000 tokens; 6 M in the layers. */
  'llama-15m': { architecture: 'llama', nLayer: 6, nHead: 6, nEmbd: 288, contextLength: 256, tiedHead: true },
} as const satisfies Record<string, ModelPreset>;

export type ModelPresetName = keyof typeof modelPresets;

export const modelPresetNames = Object.keys(modelPresets) as ModelPresetName[];
