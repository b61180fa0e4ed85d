// Number of parameters of a model, by component. Pure arithmetic; the tensors themselves are the native model's.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** Parameters by component, all layers together. A tied head counts once, as the token embedding. */
export interface ParameterCount {
  /** V x C; also the output head, where that is tied. */
  tokenEmbedding: number;
  /** maxT x C; 0 with rotary positions. */
  positionEmbedding: number;
  /** Query, key, value and output projections, with biases. */
  attention: number;
  /** The MLP's matrices, with biases. */
  mlp: number;
  /** Gains and biases of every norm, the final one included. */
  norms: number;
  /** The output head's own V x C; 0 where it is tied. */
  head: number;
  total: number;
}

/** Counts the trainable parameters; 124,439,808 for `gpt2`. */
export function countParameters(model: ModelConfig): ParameterCount {
  const { nLayer, nHead, nEmbd, nInner, contextLength, vocabSize } = model;
  const has = architectureOf(model);
  const ifThere = (condition: boolean, count: number) => (condition ? count : 0);
  const queryWidth = nHead * has.headSize;
  const qkvWidth = queryWidth + 2 * has.nKvHead * has.headSize;
  const expanding = has.gatedMlp ? 2 : 1;
  const parts = {
    tokenEmbedding: vocabSize * nEmbd,
    positionEmbedding: ifThere(has.ropeFrequencies === null, contextLength * nEmbd),
    attention:
      nLayer *
      ((qkvWidth + queryWidth) * nEmbd + ifThere(has.qkvBias, qkvWidth) + ifThere(has.attentionOutputBias, nEmbd)),
    mlp: nLayer * ((expanding + 1) * nEmbd * nInner + ifThere(has.mlpBias, expanding * nInner + nEmbd)),
    norms: (2 * nLayer + 1) * (has.rmsNorm ? 1 : 2) * nEmbd,
    head: ifThere(!has.tiedHead, vocabSize * nEmbd),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, count) => sum + count, 0) };
}
