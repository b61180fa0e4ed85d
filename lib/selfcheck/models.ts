// Models to check, and what is read from them.

import { createHash } from 'node:crypto';
import type { Device } from '../config/device.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { CounterRng } from '../est/rng.ts';
import { Model } from '../model/model.ts';
import type { Precision, TensorData } from '../model/options.ts';

export type Tensors = Map<string, TensorData>;

/** A model whose weights are larger than initial ones, so that every gradient is well away from zero. */
export async function roughModel(config: ModelConfig, device: Device, precision: Precision): Promise<Model> {
  const model = await Model.create(config, { device, precision });
  for (const [index, name] of model.tensorNames.entries()) {
    const rng = new CounterRng(3, index);
    const values = Float32Array.from(await model.parameter(name), (value) => value + 0.2 * (rng.nextFloat() - 0.5));
    await model.setParameter(name, values);
  }
  return model;
}

export async function readAll(model: Model, read: (name: string) => Promise<TensorData>): Promise<Tensors> {
  const tensors: Tensors = new Map();
  for (const name of model.tensorNames) tensors.set(name, await read(name));
  return tensors;
}

export const gradientsOf = (model: Model) => readAll(model, (name) => model.gradient(name));
export const parametersOf = (model: Model) => readAll(model, (name) => model.parameter(name));

/** Equal exactly when all bits are. */
export function fingerprint(tensors: Tensors): string {
  const hash = createHash('sha256');
  for (const data of tensors.values()) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

/** Over all tensors: ||a - b|| / ||b||, and the cosine of the angle between a and b. NaN where a has one. */
export function compareTensors(a: Tensors, b: Tensors): { difference: number; cosine: number } {
  const sums = { difference: 0, aa: 0, bb: 0, ab: 0 };
  for (const [name, expected] of b) {
    const values = a.get(name)!;
    for (let i = 0; i < expected.length; i++) {
      const [x, y] = [values[i]!, expected[i]!];
      sums.difference += (x - y) ** 2;
      sums.aa += x * x;
      sums.bb += y * y;
      sums.ab += x * y;
    }
  }
  return { difference: Math.sqrt(sums.difference / sums.bb), cosine: sums.ab / Math.sqrt(sums.aa * sums.bb) };
}
