// The tensors of Hugging Face as views of the engine's: some rows of one, perhaps transposed.

import type { NativeTensor } from '../addon/binding.ts';
import { transpose } from '../checkpoint/transpose.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors, type ModelTensor } from '../config/tensors.ts';
import { BurgeonError } from '../errors.ts';
import { describe, requireElements, typedNumbers } from './arguments.ts';
import type { TensorData } from './options.ts';

/** A tensor as callers see it. */
export interface TensorView extends ModelTensor {
  /** Position of the engine's tensor in its list, its first row there, and rows. */
  place: readonly [index: number, firstRow: number, rows: number];
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
    return views.get(`${name} ${layer}`)!.map((tensor) => ({
      ...tensor,
      place: [index, tensor.firstRow, tensor.rowCount] as const,
    }));
  });
  // Otherwise the model would train as another, and only saving it would tell.
  if (missing.size > 0)
    throw new Error(`the engine has no tensors ${[...missing].join(', ')}, which config/tensors.ts lists`);
  return viewed;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for an unknown name. */
export function findView(views: ReadonlyMap<string, TensorView>, name: string, model: ModelConfig): TensorView {
  const plain = typeof name === 'string' ? name.replace(/^(transformer|model)\./, '') : '';
  const view = views.get(plain);
  if (view !== undefined) return view;
  const tensors = listTensors(model);
  const examples = `${tensors[0]!.name} or ${tensors.find(({ part }) => part === 'attention')!.name}`;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `tensor ${describe(name)}: expected a name like ${examples} (layers 0 to ${model.nLayer - 1}); tensorNames lists all`,
  );
}

/** Data of a tensor in Hugging Face's layout, from the engine's. */
export function fromEngine({ shape: [rows, cols], stored }: TensorView, data: TensorData): TensorData {
  return stored === 'transposed' ? transpose(data, cols!, rows!) : data;
}

/** The other way round, checked. @throws {BurgeonError} ERR_BURGEON_SHAPE, ERR_BURGEON_DTYPE. */
export function toEngine({ name, shape, stored }: TensorView, data: ArrayLike<number>, precision: string): TensorData {
  requireElements(name, shape, data);
  const typed = typedNumbers(name, data, precision === 'float64');
  const [rows, cols] = shape;
  return stored === 'transposed' ? transpose(typed, rows!, cols!) : typed;
}
