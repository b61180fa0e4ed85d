// What the values of a model's tensors look like, one tensor in memory at a time.

import { listTensors } from '../config/tensors.ts';
import type { ModelContents } from './model-directory.ts';

export interface ValueStatistics {
  /** Mean of the finite values; null where there are none. */
  mean: number | null;
  /** Euclidean norm of the finite values. */
  norm: number;
  /** Shares of the values, in [0, 1]. */
  nanShare: number;
  infiniteShare: number;
}

export interface TensorStatistics extends ValueStatistics {
  /** Without the prefix of a family, as in the API. */
  name: string;
  shape: readonly number[];
}

/** Sums in float64. */
export function statisticsOf(values: Float32Array): ValueStatistics {
  let [sum, squares, nan, infinite] = [0, 0, 0, 0];
  for (const value of values) {
    if (Number.isFinite(value)) {
      sum += value;
      squares += value * value;
    } else if (Number.isNaN(value)) nan++;
    else infinite++;
  }
  const finite = values.length - nan - infinite;
  return {
    mean: finite === 0 ? null : sum / finite,
    norm: Math.sqrt(squares),
    nanShare: nan / values.length,
    infiniteShare: infinite / values.length,
  };
}

/**
 * Statistics of every tensor, in the order of transformers.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where one cannot be read.
 */
export async function* tensorStatistics({ model, readTensor }: ModelContents): AsyncGenerator<TensorStatistics> {
  for (const { name, shape } of listTensors(model)) yield { name, shape, ...statisticsOf(await readTensor(name)) };
}
