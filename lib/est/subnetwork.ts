// The subnetwork of one group of sequences, as plain data: which layers, heads and MLP neurons take part. An absent list
// means "all" and takes the dense path. This file defines, reads and checks it; `sampler.ts` draws it.

import type { BlockShape } from '../config/architecture.ts';
import { requireObject } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';

/** Active layers and, per active layer, active heads and neurons. All lists are strictly ascending. */
export interface Subnetwork {
  /** Active layers, each in [0, L); an inactive layer is the identity. Absent: all. */
  layers?: Int32Array | undefined;
  /**
   * `heads[i]`: active key and value heads of layer `layers[i]` (layer i when `layers` is absent), in [0, KV), each with
   * all query heads that share it. Absent: all.
   */
  heads?: (Int32Array | undefined)[] | undefined;
  /**
   * Instead of `heads`: active query heads, in [0, NH), as many of every key and value head; these are then all active.
   */
  queryHeads?: (Int32Array | undefined)[] | undefined;
  /** `neurons[i]`: active MLP neurons of layer `layers[i]` (layer i when `layers` is absent), in [0, F). Absent: all. */
  neurons?: (Int32Array | undefined)[] | undefined;
  /** Multiplies both branches of active layers, biases included. Absent: 1. */
  layerScale?: Scale | undefined;
  /** Multiplies the sum over active heads, without the output's bias. Absent: heads / active heads, the mean over draws. */
  headScale?: Scale | undefined;
  /** Multiplies the sum over active neurons, likewise. Absent: neurons / active neurons. */
  neuronScale?: Scale | undefined;
}

/** One factor for all active layers, or one for each. */
export type Scale = number | ArrayLike<number>;

/** The sizes a subnetwork is checked against. */
export type SubnetworkBounds = Pick<BlockShape, 'nLayer' | 'nHead' | 'nInner' | 'nKvHead'>;

/** One active layer and how much of it takes part. */
export interface ActiveLayer {
  /** Index of the layer in the model. */
  layer: number;
  /** Active query heads. */
  headCount: number;
  /** Active key and value heads. */
  kvHeadCount: number;
  neuronCount: number;
}

/**
 * The active layers of a valid subnetwork, ascending, with their counts. Omit `subnetwork` for the full model.
 * Checks nothing; see `validateSubnetwork`.
 */
export function resolveSubnetwork(model: SubnetworkBounds, subnetwork: Subnetwork = {}): ActiveLayer[] {
  const layerCount = subnetwork.layers?.length ?? model.nLayer;
  const { nHead, nKvHead = nHead } = model;
  return Array.from({ length: layerCount }, (_, i) => {
    const kvHeadCount = subnetwork.heads?.[i]?.length ?? nKvHead;
    return {
      layer: subnetwork.layers?.[i] ?? i,
      headCount: subnetwork.queryHeads?.[i]?.length ?? kvHeadCount * (nHead / nKvHead),
      kvHeadCount,
      neuronCount: subnetwork.neurons?.[i]?.length ?? model.nInner,
    };
  });
}

/**
 * Checks that every list is a non-empty, strictly ascending Int32Array within the model's bounds, and that lists of
 * units have one entry per active layer; and that query heads are spread evenly over the key and value heads.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE, naming the list and the index.
 */
export function validateSubnetwork(model: SubnetworkBounds, subnetwork: Subnetwork): void {
  requireObject('subnetwork', subnetwork);
  const { layers, heads, queryHeads, neurons } = subnetwork;
  if (layers !== undefined) checkList('subnetwork.layers', layers, model.nLayer);
  const layerCount = layers?.length ?? model.nLayer;
  const { nHead, nKvHead = nHead } = model;
  if (heads && queryHeads) fail('subnetwork: expected heads or queryHeads, received both');
  checkPerLayer('subnetwork.heads', heads, layerCount, nKvHead);
  checkPerLayer('subnetwork.queryHeads', queryHeads, layerCount, nHead);
  queryHeads?.forEach((list, i) => {
    if (list !== undefined) checkEven(`subnetwork.queryHeads[${i}]`, list, nHead / nKvHead, nKvHead);
  });
  checkPerLayer('subnetwork.neurons', neurons, layerCount, model.nInner);
}

function checkPerLayer(name: string, lists: (Int32Array | undefined)[] | undefined, length: number, bound: number) {
  if (lists === undefined) return;
  if (!Array.isArray(lists) || lists.length !== length) {
    const received = Array.isArray(lists) ? `length ${lists.length}` : typeof lists;
    fail(`${name}: expected an array with one entry per active layer (${length}), received ${received}`);
  }
  for (let i = 0; i < length; i++) {
    const list = lists[i];
    if (list !== undefined) checkList(`${name}[${i}]`, list, bound);
  }
}

/** As many of the `groupSize` query heads of every key and value head, at least one. */
function checkEven(name: string, heads: Int32Array, groupSize: number, nKvHead: number): void {
  const counts = new Int32Array(nKvHead);
  for (const head of heads) counts[Math.floor(head / groupSize)]!++;
  if (counts.some((count) => count !== counts[0] || count === 0)) {
    fail(
      `${name}: expected as many query heads of every key and value head, at least one, received ${counts.join(', ')} of ${groupSize}`,
    );
  }
}

/** By its tag: it may be of another realm, and this file is part of a page, where there is no node:util. */
function isInt32Array(list: unknown): list is Int32Array {
  return ArrayBuffer.isView(list) && Object.prototype.toString.call(list) === '[object Int32Array]';
}

function checkList(name: string, list: Int32Array, bound: number): void {
  if (!isInt32Array(list)) {
    fail(`${name}: expected an Int32Array, received ${Array.isArray(list) ? 'a plain array' : typeof list}`);
  }
  if (list.length === 0)
    fail(`${name}: expected at least one index, received an empty list; leave it out to mean "all"`);
  for (let i = 0; i < list.length; i++) {
    const index = list[i]!;
    if (index < 0 || index >= bound) {
      fail(`${name}[${i}]: expected an index from 0 to ${bound - 1}, received ${index}`);
    }
    if (i > 0 && index <= list[i - 1]!) {
      fail(`${name}[${i}]: expected strictly ascending indices, received ${index} after ${list[i - 1]}`);
    }
  }
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_SHAPE', message);
}
