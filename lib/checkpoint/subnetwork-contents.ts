// A subnetwork as a model of its own: fewer layers, heads and neurons, and the same function. The ratio by which a branch is
// scaled while units are left out is multiplied into the matrix that adds them up. Pure: contents in, contents out.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { expandBlocks } from '../est/sampler.ts';
import { resolveSubnetwork, type Subnetwork, validateSubnetwork } from '../est/subnetwork.ts';
import { tensorTable } from './huggingface.ts';
import type { ModelContents } from './model-directory.ts';
import { layerTensor, type Unit, type UnitAxis } from './unit-axes.ts';

/** How much of a model is kept; heads and neurons in every kept layer. */
export interface KeptCounts {
  layers: number;
  heads: number;
  kvHeads: number;
  neurons: number;
}

/**
 * The model that is left when so much of `model` is kept.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when transformers could not represent it.
 */
export function smallerModel(model: ModelConfig, kept: KeptCounts): ModelConfig {
  const sizes = { nLayer: kept.layers, nHead: kept.heads, nInner: kept.neurons };
  if (model.architecture === 'gpt2') {
    if (kept.heads === model.nHead) return { ...model, ...sizes };
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `heads: expected all ${model.nHead}, received ${kept.heads}: transformers takes n_embd / n_head for the width of a GPT-2 head, so one cannot be left out; leave out layers or neurons`,
    );
  }
  if (model.nEmbd % kept.heads !== 0) {
    const group = kept.heads / kept.kvHeads;
    const counts = Array.from({ length: model.nHead / group }, (_, i) => (i + 1) * group);
    const possible = counts.filter((count) => model.nEmbd % count === 0).join(', ');
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `heads: expected a divisor of the width ${model.nEmbd}, which transformers insists on, received ${kept.heads} query heads; possible are ${possible}`,
    );
  }
  return { ...model, ...sizes, nKvHead: kept.kvHeads };
}

/**
 * The subnetwork as a model: its logits are those of the whole model run with `subnetwork` (and layerScale 1), up to the
 * rounding of the scaled weights.
 * @param options.rescale whether sums over units are scaled by (all / kept), as in training. Default true; without it the
 *   units that are left out count as zero.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE for lists that are not of this model; ERR_BURGEON_CONFIG when its layers are of
 *   different sizes, or transformers could not represent it.
 */
export function subnetworkContents(
  contents: ModelContents,
  subnetwork: Subnetwork,
  { rescale = true }: { rescale?: boolean } = {},
): ModelContents {
  const { model, endOfText, tokenizerFiles } = contents;
  validateSubnetwork({ ...model, nKvHead: architectureOf(model).nKvHead }, subnetwork);
  const smaller = smallerModel(model, sameCounts(model, subnetwork));
  const shapes = new Map(tensorTable(model).map(({ name, shape }) => [name, shape]));
  const readTensor = async (name: string): Promise<Float32Array> => {
    const tensor = layerTensor(model, name);
    if (tensor === undefined) return contents.readTensor(name);
    const i = tensor.layer;
    const original = tensor.in(subnetwork.layers?.[i] ?? i);
    const values = await contents.readTensor(original);
    const lines = tensor.axis && keptLines(model, subnetwork, i, tensor.axis.unit);
    if (lines === undefined) return values;
    return take(values, shapes.get(original)!, tensor.axis!, lines, rescale);
  };
  return { model: smaller, endOfText, tokenizerFiles, readTensor };
}

/** A configuration has one size for all layers. */
function sameCounts(model: ModelConfig, subnetwork: Subnetwork): KeptCounts {
  const layers = resolveSubnetwork({ ...model, nKvHead: architectureOf(model).nKvHead }, subnetwork);
  const { headCount, kvHeadCount, neuronCount } = layers[0]!;
  for (const [what, first, all] of [
    ['heads', headCount, layers.map((layer) => layer.headCount)],
    ['neurons', neuronCount, layers.map((layer) => layer.neuronCount)],
  ] as const) {
    if (all.every((count) => count === first)) continue;
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${what}: expected as many in every layer, as a model has, received ${all.join(', ')}`,
    );
  }
  return { layers: layers.length, heads: headCount, kvHeads: kvHeadCount, neurons: neuronCount };
}

/** The rows or columns of the units kept in the i-th active layer; undefined for all. */
function keptLines(model: ModelConfig, { heads, neurons, queryHeads }: Subnetwork, i: number, unit: Unit) {
  if (unit === 'neurons') return neurons?.[i];
  const list = heads?.[i];
  if (list === undefined || (queryHeads && unit === 'keys')) return undefined;
  const { nKvHead, headSize } = architectureOf(model);
  // A key and value head comes with all its query heads, which are neighbours.
  const perListed = unit === 'queries' && !queryHeads ? model.nHead / nKvHead : 1;
  return expandBlocks(list, perListed * headSize);
}

/** Some rows or columns of a tensor; where it adds them up, scaled by (all / kept) if wanted. */
function take(
  values: Float32Array,
  shape: readonly number[],
  { axis, isOutput }: UnitAxis,
  lines: Int32Array,
  rescale: boolean,
): Float32Array {
  const [rows, cols = 1] = shape as [number, number?];
  const count = lines.length;
  const scale = isOutput && rescale ? (axis === 'rows' ? rows : cols) / count : 1;
  if (axis === 'rows') {
    const result = new Float32Array(count * cols);
    for (let r = 0; r < count; r++) {
      for (let c = 0; c < cols; c++) result[r * cols + c] = scale * values[lines[r]! * cols + c]!;
    }
    return result;
  }
  const result = new Float32Array(rows * count);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < count; c++) result[r * count + c] = scale * values[r * cols + lines[c]!]!;
  }
  return result;
}
