// GPT-2's initial weights (Radford et al. 2019; transformers' GPT2PreTrainedModel): N(0, 0.02), the projections that
// end on the residual stream 0.02 / sqrt(2 L), norm scales 1, biases 0. A pure function of the seed, whatever the
// backend or the number of threads.

import { CounterRng, fillNormal } from '../est/rng.ts';

const deviation = 0.02;
/** Names the random stream of initial weights among those drawn from a run's seed. */
const initialWeightsStream = 0x1417;

/** Initial values of the tensor with this Hugging Face name; `index` is its position in the model. */
export function initialValues(name: string, index: number, size: number, nLayer: number, seed: number): Float32Array {
  const values = new Float32Array(size);
  if (name.endsWith('.bias')) return values;
  if (/(^|\.)ln_\w+\.weight$/.test(name)) return values.fill(1);
  const scale = name.endsWith('c_proj.weight') ? deviation / Math.sqrt(2 * nLayer) : deviation;
  fillNormal(new CounterRng(seed, initialWeightsStream, index), values, scale);
  return values;
}
