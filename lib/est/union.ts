// What the groups of a step train together: the union of their subnetworks, as elements of gradients. That is what ranks
// exchange. Exactly for given subnetworks, as the engine counts it (native/model/gradient_sums.cc), or expected for a
// sampler. Pure.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors, type ModelTensor, type TensorRows } from '../config/tensors.ts';
import { headUnits, layerCounts, type SamplerConfig, takesFirst } from './sampler.ts';
import type { Subnetwork } from './subnetwork.ts';

/** What is touched of a layer: 1 by head, key and value head, and neuron. */
interface TouchedLayer {
  heads: Uint8Array;
  kvHeads: Uint8Array;
  neurons: Uint8Array;
}

/** A tensor of the engine. */
interface EngineTensor {
  layer: number;
  /** Kinds of rows one after the other, with how many rows a unit has. */
  rows: { kind: TensorRows; count: number }[];
  columns: number;
  /** Of its first element in the array of gradients. */
  offset: number;
}

/** Tensors begin at multiples of so many elements; runs nearer to each other than that are moved as one. */
const alignment = 16;
/** Of a tensor, and elements of each but the last. */
const mostBlocks = 64;
const leastBlockElements = 1024;

/** Elements of an array of gradients, what lies between two tensors included. */
export function arrayElements(model: ModelConfig): number {
  const last = engineTensors(model).at(-1)!;
  return last.offset + aligned(sizeOf(last));
}

export interface Union {
  elements: number;
  /** Of these, elements of rows that were touched: what ranks exchange that divide the update. */
  touched: number;
}

/**
 * What ranks exchange after groups that trained these subnetworks; undefined is the full model. What lies between two
 * tensors, or between rows of a bias, comes along where it is short.
 */
export function unionOf(model: ModelConfig, subnetworks: readonly (Subnetwork | undefined)[]): Union {
  const touched = touchedLayers(model, subnetworks);
  const { headSize } = architectureOf(model);
  let elements = 0;
  let touchedElements = 0;
  let end = Number.NEGATIVE_INFINITY;
  const add = (first: number, count: number) => {
    const isNear = first - end < alignment;
    elements += isNear ? first + count - end : count;
    touchedElements += count;
    end = first + count;
  };
  for (const { layer, rows, columns, offset } of engineTensors(model)) {
    const units = layer < 0 ? undefined : touched[layer];
    if (layer >= 0 && units === undefined) continue;
    let at = offset;
    for (const { kind, count } of rows) {
      const flags = units && flagsOf(units, kind);
      const each = columns * (kind === 'neurons' ? 1 : headSize);
      if (flags === undefined) add(at, count * columns);
      else for (const [unit, flag] of flags.entries()) if (flag) add(at + unit * each, each);
      at += count * columns;
    }
  }
  return { elements, touched: touchedElements };
}

/**
 * The mean of the elements of `unionOf` over all draws of so many groups, which draw independently of each other. What comes along
 * between rows is left out.
 */
export function expectedUnionElements(model: ModelConfig, sampler: SamplerConfig, groups: number): number {
  const shares = unitShares(sampler);
  const inAny = (share: number) => 1 - (1 - share) ** groups;
  return engineTensors(model).reduce((elements, { layer, rows, columns }) => {
    const ofRows = rows.map(({ kind, count }) => {
      if (layer < 0) return count;
      const { active, heads, kvHeads, neurons } = shares[layer]!;
      const within = { queries: heads, keys: kvHeads, values: kvHeads, neurons }[kind as string] ?? all;
      return within.reduce((sum, { share, of }) => sum + inAny(active * share) * count * of, 0);
    });
    return elements + columns * ofRows.reduce((sum, count) => sum + count, 0);
  }, 0);
}

/** Blocks of rows, of all tensors: native/model/row_shards.h. */
export function blockCount(model: ModelConfig): number {
  return engineTensors(model).reduce((blocks, tensor) => {
    const rows = sizeOf(tensor) / tensor.columns;
    const each = Math.max(Math.ceil(rows / mostBlocks), Math.ceil(leastBlockElements / tensor.columns));
    return blocks + Math.ceil(rows / each);
  }, 0);
}

/** Flags by which ranks tell each other what they touched: bytes. */
export function flagCount(model: ModelConfig): number {
  return model.nLayer * (1 + model.nHead + 2 * architectureOf(model).nKvHead + model.nInner);
}

/** Of a part of the units (`of`), the probability that a group has them where it has the layer. */
type Shares = { share: number; of: number }[];
const all: Shares = [{ share: 1, of: 1 }];

/** Of each layer: the probability that a group has it, and those of its units. */
function unitShares(sampler: SamplerConfig) {
  const { nInner, choose, headSampling } = sampler;
  const { shares, heads, neurons } = layerCounts(sampler);
  const { units, isGrouped } = headUnits(sampler);
  // Where layers are active by chance and none was drawn, the likeliest is.
  const none =
    typeof sampler.rates.layers === 'object' ? shares.reduce((product, share) => product * (1 - share), 1) : 0;
  const likeliest = shares.indexOf(Math.max(...shares));
  const ofUnits = (count: number, units: number, isFirst: boolean): Shares =>
    isFirst ? [{ share: 1, of: count / units }] : [{ share: count / units, of: 1 }];
  return shares.map((share, layer) => {
    const ofHeads = ofUnits(heads[layer]!, units, takesFirst(choose?.heads));
    return {
      active: share + (layer === likeliest ? none : 0),
      heads: ofHeads,
      kvHeads: isGrouped && headSampling === 'query' ? all : ofHeads,
      neurons: ofUnits(neurons[layer]!, nInner, takesFirst(choose?.neurons)),
    };
  });
}

function touchedLayers(model: ModelConfig, subnetworks: readonly (Subnetwork | undefined)[]) {
  const { nHead, nInner, nLayer } = model;
  const { nKvHead } = architectureOf(model);
  const queriesEach = nHead / nKvHead;
  const touched: (TouchedLayer | undefined)[] = new Array(nLayer).fill(undefined);
  const mark = (flags: Uint8Array, units: Int32Array | undefined) => {
    if (units === undefined) flags.fill(1);
    else for (const unit of units) flags[unit] = 1;
  };
  for (const { layers, heads, queryHeads, neurons } of subnetworks.map((each) => each ?? {})) {
    for (let i = 0; i < (layers?.length ?? nLayer); i++) {
      const layer = layers?.[i] ?? i;
      touched[layer] ??= {
        heads: new Uint8Array(nHead),
        kvHeads: new Uint8Array(nKvHead),
        neurons: new Uint8Array(nInner),
      };
      const units = touched[layer];
      mark(units.kvHeads, heads?.[i]);
      mark(units.neurons, neurons?.[i]);
      if (queryHeads?.[i]) mark(units.heads, queryHeads[i]);
      else {
        for (const [kv, flag] of units.kvHeads.entries()) {
          if (flag) units.heads.fill(1, kv * queriesEach, (kv + 1) * queriesEach);
        }
      }
    }
  }
  return touched;
}

/** Undefined: rows that a layer always has. */
function flagsOf({ heads, kvHeads, neurons }: TouchedLayer, kind: TensorRows): Uint8Array | undefined {
  switch (kind) {
    case 'queries':
      return heads;
    case 'keys':
    case 'values':
      return kvHeads;
    case 'neurons':
      return neurons;
    default:
      return undefined;
  }
}

/** As they lie in memory: those outside the layers first. */
function engineTensors(model: ModelConfig): EngineTensor[] {
  const found = new Map<string, EngineTensor>();
  const tensors = listTensors(model);
  for (const tensor of [...tensors.filter(({ layer }) => layer < 0), ...tensors.filter(({ layer }) => layer >= 0)]) {
    const key = `${tensor.layer} ${tensor.engine}`;
    const { layer, stored } = tensor;
    const whole = found.get(key) ?? { layer, rows: [], columns: stored === 'vector' ? 1 : model.nEmbd, offset: 0 };
    whole.rows.push(...rowsOf(tensor, model));
    found.set(key, whole);
  }
  const list = [...found.values()];
  let offset = 0;
  for (const tensor of list) {
    tensor.offset = offset;
    offset += aligned(sizeOf(tensor));
  }
  return list;
}

function rowsOf({ rows, rowCount }: ModelTensor, model: ModelConfig): EngineTensor['rows'] {
  if (rows !== 'qkv') return [{ kind: rows, count: rowCount }];
  const { nKvHead, headSize } = architectureOf(model);
  const keys = nKvHead * headSize;
  return [
    { kind: 'queries', count: rowCount - 2 * keys },
    { kind: 'keys', count: keys },
    { kind: 'values', count: keys },
  ];
}

const aligned = (elements: number) => Math.ceil(elements / alignment) * alignment;
const sizeOf = ({ rows, columns }: EngineTensor) => columns * rows.reduce((sum, { count }) => sum + count, 0);
