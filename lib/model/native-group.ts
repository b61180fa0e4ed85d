// A subnetwork as the engine takes it: with the factors of every active layer, which are decided here. Lists are checked by
// the engine.

import { types } from 'node:util';
import type { NativeGroup, NativeSubnetwork } from '../addon/binding.ts';
import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { nearestHint } from '../config/nearest.ts';
import { BurgeonError } from '../errors.ts';
import type { Scale, Subnetwork } from '../est/subnetwork.ts';
import { describe } from './arguments.ts';
import type { BackwardOptions } from './options.ts';

/** The groups of a batch; without any, one on `subnetwork`. */
export function nativeGroups(
  model: ModelConfig,
  batchSize: number,
  { groups, subnetwork }: Pick<BackwardOptions, 'groups' | 'subnetwork'>,
): NativeGroup[] {
  if (groups === undefined || groups === null) return [nativeSubnetwork(model, subnetwork)];
  // Anything that is no list of groups is refused by the engine, as is a list of more groups than sequences.
  if (!Array.isArray(groups) || groups.length > batchSize) return groups as never;
  return Array.from(groups, (group, i) =>
    typeof group === 'object' && group !== null
      ? { sequences: group.sequences, ...nativeSubnetwork(model, group.subnetwork, `groups[${i}].subnetwork`) }
      : group,
  );
}

/** @throws {BurgeonError} ERR_BURGEON_DTYPE for factors that are neither a number nor a list of numbers. */
export function nativeSubnetwork(
  model: ModelConfig,
  subnetwork: Subnetwork | null | undefined,
  name = 'subnetwork',
): NativeSubnetwork {
  if (subnetwork === undefined || subnetwork === null) return {};
  requireSubnetwork(name, subnetwork);
  const { layers, layerScale, headScale, neuronScale } = subnetwork;
  const count = types.isInt32Array(layers) ? layers.length : model.nLayer;
  const heads = copyLists(subnetwork.heads, model.nLayer);
  const queryHeads = copyLists(subnetwork.queryHeads, model.nLayer);
  const neurons = copyLists(subnetwork.neurons, model.nLayer);
  const scaleOf = (key: string, scale: Scale | undefined) =>
    scale === undefined ? undefined : readScale(`${name}.${key}`, scale, count);
  return {
    ...{ layers, heads, queryHeads, neurons },
    layerScale: scaleOf('layerScale', layerScale),
    headScale:
      scaleOf('headScale', headScale) ??
      (queryHeads ? unbiased(queryHeads, count, model.nHead) : unbiased(heads, count, architectureOf(model).nKvHead)),
    neuronScale: scaleOf('neuronScale', neuronScale) ?? unbiased(neurons, count, model.nInner),
  };
}

/**
 * A copy, for a call that lasts while its caller goes on.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no subnetwork.
 */
export function copySubnetwork(subnetwork: Subnetwork | null | undefined): Subnetwork | undefined {
  if (subnetwork === undefined || subnetwork === null) return undefined;
  requireSubnetwork('subnetwork', subnetwork);
  return structuredClone(subnetwork);
}

/** Reads every list once, as what is read may be a getter; leaves what is no array of lists to the engine to refuse. */
function copyLists(lists: Subnetwork['heads'], most: number): Subnetwork['heads'] {
  return Array.isArray(lists) && lists.length <= most
    ? Array.from({ length: lists.length }, (_, i) => lists[i])
    : lists;
}

/** All units over the active ones of each layer, so that the mean of a sum over all draws is the sum over all units. */
function unbiased(lists: Subnetwork['heads'], layers: number, units: number): Float64Array | undefined {
  if (!Array.isArray(lists) || lists.length !== layers) return undefined;
  return Float64Array.from(lists, (list) => units / (list?.length || units));
}

function readScale(name: string, scale: Scale, layers: number): Float64Array {
  if (typeof scale === 'number') return new Float64Array(layers).fill(scale);
  if (typeof scale === 'object' && scale !== null && typeof scale.length === 'number') {
    if (scale.length === layers) return Float64Array.from(scale, Number);
    throw new BurgeonError(
      'ERR_BURGEON_SHAPE',
      `${name}: expected one factor per active layer (${layers}), received ${scale.length}`,
    );
  }
  throw new BurgeonError(
    'ERR_BURGEON_DTYPE',
    `${name}: expected a number, or one for each active layer, received ${describe(scale)}`,
  );
}

const keys = ['layers', 'heads', 'queryHeads', 'neurons', 'layerScale', 'headScale', 'neuronScale'];

/** Also refuses a mistyped key, which would leave its part complete without a word. */
function requireSubnetwork(name: string, subnetwork: Subnetwork): void {
  if (typeof subnetwork !== 'object' || Array.isArray(subnetwork) || ArrayBuffer.isView(subnetwork)) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected an object, received ${describe(subnetwork)}`);
  }
  const unknown = Object.keys(subnetwork).find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}.${unknown}: unknown key${nearestHint(unknown, keys)}`);
}
