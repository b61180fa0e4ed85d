// Number of parameters of a model, by component. Pure arithmetic; the tensors themselves are the native model's.

import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';

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
  const counts: ParameterCount = {
    ...{ tokenEmbedding: 0, positionEmbedding: 0, attention: 0, mlp: 0, norms: 0, head: 0, total: 0 },
  };
  for (const { part, shape } of listTensors(model)) {
    const size = shape.reduce((product, length) => product * length, 1);
    counts[part] += size;
    counts.total += size;
  }
  return counts;
}
