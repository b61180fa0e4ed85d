// A subnetwork as a model of its own: fewer layers, heads and neurons, and the same function. The factors of its branches
// are multiplied into the tensors that end them. Pure: contents in, contents out.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { branchEnd, listTensors, type ModelTensor } from '../config/tensors.ts';
import { BurgeonError } from '../errors.ts';
import { expandBlocks } from '../est/sampler.ts';
import { resolveSubnetwork, type Scale, type Subnetwork, validateSubnetwork } from '../est/subnetwork.ts';
import { smallerModel } from './huggingface.ts';
import type { KeptCounts } from './huggingface-family.ts';
import { type ModelContents, requireContents } from './model-directory.ts';

/**
 * The subnetwork as a model: its logits are those of the whole model run with `subnetwork`, up to the rounding of scaled
 * weights.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE for lists that are not of this model; ERR_BURGEON_CONFIG when its layers are of
 *   different sizes, or transformers could not represent it.
 */
export function subnetworkContents(contents: ModelContents, subnetwork: Subnetwork): ModelContents {
  requireContents(contents);
  const { model, endOfText, specialIds, tokenizerFiles } = contents;
  validateSubnetwork({ ...model, nKvHead: architectureOf(model).nKvHead }, subnetwork);
  const smaller = smallerModel(model, sameCounts(model, subnetwork));
  const tensors = new Map(listTensors(model).map((tensor) => [tensor.name, tensor]));
  const readTensor = async (name: string): Promise<Float32Array> => {
    const tensor = tensors.get(name);
    if (tensor === undefined || tensor.layer < 0) return contents.readTensor(name);
    const i = tensor.layer;
    const values = await contents.readTensor(tensor.in(subnetwork.layers?.[i] ?? i));
    const rows = keptRows(model, subnetwork, i, tensor);
    const kept = rows === undefined ? values : take(values, tensor, rows);
    const end = branchEnd(tensor);
    if (end === undefined) return kept;
    return scaled(kept, branchFactor(subnetwork, i, end, tensor.rowCount / (rows?.length ?? tensor.rowCount)));
  };
  return { model: smaller, endOfText, specialIds, tokenizerFiles, readTensor };
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

/** The rows of the units kept in the i-th active layer; undefined for all. */
function keptRows(
  model: ModelConfig,
  { heads, neurons, queryHeads }: Subnetwork,
  i: number,
  { rows }: ModelTensor,
): Int32Array | undefined {
  if (rows === 'neurons') return neurons?.[i];
  const { nKvHead, headSize } = architectureOf(model);
  // Queries, keys and values in one matrix are GPT-2's, whose heads all stay (smallerModel).
  if (rows === 'queries' && queryHeads?.[i]) return expandBlocks(queryHeads[i], headSize);
  const list = heads?.[i];
  if (list === undefined) return undefined;
  if (rows === 'keys' || rows === 'values') return expandBlocks(list, headSize);
  // A key and value head comes with all its query heads, which are neighbours.
  return rows === 'queries' ? expandBlocks(list, (model.nHead / nKvHead) * headSize) : undefined;
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

/** Some rows of the engine's tensor, out of Hugging Face's, where they may be columns. */
function take(values: Float32Array, { stored, shape }: ModelTensor, lines: Int32Array): Float32Array {
  const [rows, cols = 1] = shape as [number, number?];
  const count = lines.length;
  if (stored !== 'transposed') {
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
