// A subnetwork as a model of its own: fewer layers, heads and neurons, and the same function. The factors of its branches
// are multiplied into the tensors that end them. Pure: contents in, contents out.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { expandBlocks } from '../est/sampler.ts';
import { resolveSubnetwork, type Scale, type Subnetwork, validateSubnetwork } from '../est/subnetwork.ts';
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
 * The subnetwork as a model: its logits are those of the whole model run with `subnetwork`, up to the rounding of scaled
 * weights.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE for lists that are not of this model; ERR_BURGEON_CONFIG when its layers are of
 *   different sizes, or transformers could not represent it.
 */
export function subnetworkContents(contents: ModelContents, subnetwork: Subnetwork): ModelContents {
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
    const shape = shapes.get(original)!;
    const lines = tensor.axis && keptLines(model, subnetwork, i, tensor.axis.unit);
    const kept = lines === undefined ? values : take(values, shape, tensor.axis!, lines);
    if (tensor.endsBranch === undefined) return kept;
    const all = tensor.axis?.axis === 'columns' ? shape[1]! : shape[0]!;
    return scaled(kept, branchFactor(subnetwork, i, tensor.endsBranch, all / (lines?.length ?? all)));
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

/** What the i-th active layer multiplies a tensor that ends a branch by. */
function branchFactor(
  { layerScale, headScale, neuronScale }: Subnetwork,
  i: number,
  ends: 'heads' | 'neurons' | 'bias',
  allOverKept: number,
): number {
  const at = (scale: Scale | undefined, fallback: number) =>
    typeof scale === 'number' ? scale : (scale?.[i] ?? fallback);
  const layer = at(layerScale, 1);
  return ends === 'bias' ? layer : layer * at(ends === 'neurons' ? neuronScale : headScale, allOverKept);
}

function scaled(values: Float32Array, factor: number): Float32Array {
  return factor === 1 ? values : values.map((value) => factor * value);
}

/** Some rows or columns of a tensor. */
function take(values: Float32Array, shape: readonly number[], { axis }: UnitAxis, lines: Int32Array): Float32Array {
  const [rows, cols = 1] = shape as [number, number?];
  const count = lines.length;
  if (axis === 'rows') {
    const result = new Float32Array(count * cols);
    for (let r = 0; r < count; r++) {
      for (let c = 0; c < cols; c++) result[r * cols + c] = values[lines[r]! * cols + c]!;
    }
    return result;
  }
  const result = new Float32Array(rows * count);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < count; c++) result[r * count + c] = values[r * cols + lines[c]!]!;
  }
  return result;
}
