// Initial weights, GPT-2's for every architecture (Radford et al. 2019; transformers' GPT2PreTrainedModel; Llama's has the
// same deviation): N(0, 0.02), the projections that end on the residual stream 0.02 / sqrt(2 L), norm scales 1, biases 0.
// A pure function of the seed, whatever the backend or the number of threads.

import type { ModelTensor } from '../config/tensors.ts';
import { CounterRng, fillNormal } from '../est/rng.ts';

const deviation = 0.02;
/** Names the random stream of initial weights among those drawn from a run's seed. */
const initialWeightsStream = 0x1417;

/** Initial values of a tensor; `position` is its place among the model's tensors. */
export function initialValues(
  { role, shape }: Pick<ModelTensor, 'role' | 'shape'>,
  position: number,
  nLayer: number,
  seed: number,
): Float32Array {
  const values = new Float32Array(shape.reduce((size, length) => size * length, 1));
  if (role === 'bias') return values;
  if (role === 'gain') return values.fill(1);
  const scale = role === 'residual' ? deviation / Math.sqrt(2 * nLayer) : deviation;
  fillNormal(new CounterRng(seed, initialWeightsStream, position), values, scale);
  return values;
}
