// How much a model needs its layers, heads and neurons, measured on data.
//
// Layers: the loss when one is left out. Heads and neurons: |d loss / d g| of a factor g on the unit's output, summed over
// windows of text; to first order the change of the loss when the unit is left out (Michel et al. 2019, "Are Sixteen Heads
// Really Better than One?"; Molchanov et al. 2017, 2019). One backward pass gives it for all units: as g stands before the
// unit's rows W of the output matrix, d loss / d g is the sum of W times the gradient of W.

import { architectureOf } from '../config/architecture.ts';
import { listTensors, type ModelTensor } from '../config/tensors.ts';
import type { FixedBatch } from '../data/fixed-windows.ts';
import type { Model } from '../model/model.ts';
import type { TensorData } from '../model/options.ts';
import { evaluate } from './evaluator.ts';

/** The loss without each layer: the higher, the more it is needed. One pass over the batches per layer. */
export async function layerImportance(model: Model, batches: AsyncIterable<FixedBatch>): Promise<Float64Array> {
  const { nLayer } = model.config;
  const losses = new Float64Array(nLayer);
  for (let left = 0; left < nLayer; left++) {
    const layers = Int32Array.from({ length: nLayer - 1 }, (_, i) => (i < left ? i : i + 1));
    // The only layer there is stays.
    losses[left] = nLayer === 1 ? 0 : (await evaluate(model, batches, { subnetwork: { layers } })).loss;
  }
  return losses;
}

/** Importance of the units of one layer. */
export interface UnitImportance {
  /** Of key and value heads, each with its query heads. */
  heads: Float64Array;
  neurons: Float64Array;
}

/**
 * Importance of the heads and neurons of the given layers, in the network of these layers. One forward and backward pass
 * per window; the gradients that the model held are lost.
 * @param windows batches of one sequence each, as gradients of several would cancel each other.
 */
export async function unitImportance(
  model: Model,
  windows: AsyncIterable<FixedBatch>,
  layers: Int32Array | undefined,
): Promise<UnitImportance[]> {
  const { config } = model;
  const active = layers ?? Int32Array.from({ length: config.nLayer }, (_, layer) => layer);
  const importance = Array.from(active, () => ({
    heads: new Float64Array(architectureOf(config).nKvHead),
    neurons: new Float64Array(config.nInner),
  }));
  const outputs = await outputMatrices(model, active);
  await model.clearGradients();
  for await (const { tokens, targets, batchSize } of windows) {
    await model.forwardBackward(tokens, targets, {
      batchSize,
      ...(layers === undefined ? {} : { subnetwork: { layers } }),
    });
    for (const { tensor, place, kind, weights } of outputs) {
      const sums = importance[place]![kind];
      const slopes = sumsOfProducts(weights, await model.gradient(tensor.name), tensor, sums.length);
      for (let unit = 0; unit < sums.length; unit++) sums[unit]! += Math.abs(slopes[unit]!);
    }
    await model.clearGradients();
  }
  return importance;
}

/** A matrix that adds units up. */
interface OutputMatrix {
  tensor: ModelTensor;
  /** Of its layer among the active ones. */
  place: number;
  kind: keyof UnitImportance;
  weights: TensorData;
}

async function outputMatrices(model: Model, active: Int32Array): Promise<OutputMatrix[]> {
  const outputs: OutputMatrix[] = [];
  for (const tensor of listTensors(model.config)) {
    const place = active.indexOf(tensor.layer);
    if (tensor.role !== 'residual' || place < 0) continue;
    const kind = tensor.rows === 'neurons' ? 'neurons' : 'heads';
    outputs.push({ tensor, place, kind, weights: await model.parameter(tensor.name) });
  }
  return outputs;
}

/** Σ a b over the rows of each unit, `units` equal runs of neighbours; Hugging Face may have them as columns. */
function sumsOfProducts(
  a: TensorData,
  b: TensorData,
  { stored, shape, rowCount }: ModelTensor,
  units: number,
): Float64Array {
  const [rows, cols] = shape as [number, number];
  const isByRow = stored !== 'transposed';
  const sums = new Float64Array(units);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, i++) sums[Math.floor(((isByRow ? r : c) * units) / rowCount)]! += a[i]! * b[i]!;
  }
  return sums;
}
