// The tensors of Hugging Face as views of the engine's: some rows of one, perhaps transposed.

import type { NativeTensor } from '../addon/binding.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors, type ModelTensor } from '../config/tensors.ts';

/** A tensor as callers see it. */
export interface TensorView extends ModelTensor {
  /** Position of the engine's tensor in its list. */
  index: number;
}

/** In the engine's order. */
export function viewTensors(model: ModelConfig, tensors: readonly NativeTensor[]): TensorView[] {
  const views = new Map<string, ModelTensor[]>();
  for (const tensor of listTensors(model)) {
    const key = `${tensor.engine} ${tensor.layer}`;
    views.set(key, [...(views.get(key) ?? []), tensor]);
  }
  const missing = new Set(views.keys());
  const viewed = tensors.flatMap(({ name, layer }, index) => {
    missing.delete(`${name} ${layer}`);
    return views.get(`${name} ${layer}`)!.map((tensor) => ({ ...tensor, index }));
  });
  // Otherwise the model would train as another, and only saving it would tell.
  if (missing.size > 0)
    throw new Error(`the engine has no tensors ${[...missing].join(', ')}, which config/tensors.ts lists`);
  return viewed;
}

/** Names to show to someone who gave another. */
export function exampleNames(model: ModelConfig): string {
  const tensors = listTensors(model);
  return `${tensors[0]!.name} or ${tensors.find(({ part }) => part === 'attention')!.name}`;
}

/** Elements of a tensor. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}
