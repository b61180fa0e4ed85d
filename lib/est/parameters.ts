// Number of parameters of a model, by component. Pure arithmetic; the tensors themselves are the native model's.

import type { ModelConfig } from '../config/model-config.ts';

/** Parameters by component, all layers together. The head shares the token embedding and counts once, as that. */
export interface ParameterCount {
  /** wte, V x C; also the output head. */
  tokenEmbedding: number;
  /** wpe, maxT x C. */
  positionEmbedding: number;
  /** Query, key, value and output projections, with biases. */
  attention: number;
  /** Both MLP matrices, with biases. */
  mlp: number;
  /** Gains and biases of every LayerNorm, the final one included. */
  norms: number;
  total: number;
}

/** Counts the trainable parameters; 124,439,808 for `gpt2`. */
export function countParameters(model: ModelConfig): ParameterCount {
  const { nLayer, nEmbd, nInner, contextLength, vocabSize } = model;
  const tokenEmbedding = vocabSize * nEmbd;
  const positionEmbedding = contextLength * nEmbd;
  const attention = nLayer * (4 * nEmbd * nEmbd + 4 * nEmbd);
  const mlp = nLayer * (2 * nEmbd * nInner + nInner + nEmbd);
  const norms = (2 * nLayer + 1) * 2 * nEmbd;
  return {
    tokenEmbedding,
    positionEmbedding,
    attention,
    mlp,
    norms,
    total: tokenEmbedding + positionEmbedding + attention + mlp + norms,
  };
}
