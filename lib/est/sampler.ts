// Draws subnetworks: how many layers, heads and neurons are active at given rates, and which. A draw is a pure function
// of (seed, step, group, layer, dimension), so any step can be replayed and a resumed run needs no generator state.
// `schedule.ts` decides the rates of a step.

import { BurgeonError } from '../errors.ts';
import { CounterRng } from './rng.ts';
import type { Subnetwork } from './subnetwork.ts';

/** Shares of active units, each in (0, 1]: heads and neurons of an active layer, and layers of the model. */
export interface Rates {
  heads: number;
  neurons: number;
  layers: number;
}

/** How to sample, apart from the rates. */
export interface SamplerOptions {
  /** Rounds the number of active neurons to a multiple of this. Default 1. */
  neuronMultiple?: number;
  /** Samples runs of this many adjacent neurons; divides nInner. Default 1. */
  neuronBlock?: number;
  /**
   * Unit of head sampling where query heads share keys and values: `group` takes whole groups, a key and value head with
   * its query heads; `query` keeps all keys and values and takes as many query heads of each. Default 'group'.
   */
  headSampling?: 'group' | 'query';
  /** The first layers that are always active; they count as active layers. Default 0. */
  keepFirst?: number;
  /** The last layers that are always active; they count as active layers. Default 0. */
  keepLast?: number;
}

export interface SamplerConfig extends SamplerOptions {
  /** Layers of the model, L. */
  nLayer: number;
  /** Query heads per layer, NH. */
  nHead: number;
  /** Key and value heads per layer, KV; divides NH. Default: NH. */
  nKvHead?: number;
  /** MLP neurons per layer, F. */
  nInner: number;
  rates: Rates;
}

/** How many units are active: layers of the model, heads and neurons of each active layer. */
export interface ActiveCounts {
  layers: number;
  /** Query heads. */
  heads: number;
  /** Key and value heads, where there are fewer of them than query heads in the model; else as many as `heads`. */
  kvHeads?: number;
  neurons: number;
}

/** Which draw: the run's seed, the optimizer step, and the group's number within that step. */
export interface DrawKey {
  seed: number;
  step: number;
  group: number;
}

/** First path element of every stream used here ("est"), so that no other user of the same seed shares one. */
const streamTag = 0x657374;

/** The `dimension` of a draw. */
const dimensions = { layers: 0, heads: 1, neurons: 2 } as const;

/**
 * Units active at a rate: max(1, floor(rate * n + 0.5)).
 * @param rate in (0, 1].
 * @param n number of units.
 */
export function activeCount(rate: number, n: number): number {
  return Math.max(1, Math.floor(rate * n + 0.5));
}

/**
 * Active neurons: `activeCount`, rounded (halves up) to a multiple of `neuronMultiple` and of `neuronBlock`, at least
 * one such multiple, and never above nInner.
 */
export function neuronCount(config: Pick<SamplerConfig, 'nInner' | 'neuronMultiple' | 'neuronBlock'>, rate: number) {
  const unit = leastCommonMultiple(config.neuronMultiple ?? 1, config.neuronBlock ?? 1);
  const count = activeCount(rate, config.nInner);
  // A rate that leaves nothing out stays complete even where nInner is no multiple of the unit.
  if (count === config.nInner) return count;
  return Math.min(config.nInner, Math.max(1, Math.floor(count / unit + 0.5)) * unit);
}

/**
 * The counts at the config's rates: what is computed, printed and scaled by.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if a rate or option is out of range, nInner is no multiple of `neuronBlock`, or
 * `keepFirst` + `keepLast` exceed the active layers.
 */
export function activeCounts(config: SamplerConfig): ActiveCounts {
  const layers = activeCount(config.rates.layers, config.nLayer);
  checkOptions(config, layers);
  const { units, perUnit, isGrouped } = headUnits(config);
  const active = activeCount(config.rates.heads, units);
  return {
    layers,
    heads: active * perUnit,
    ...(isGrouped ? { kvHeads: config.headSampling === 'query' ? config.nKvHead! : active } : {}),
    neurons: neuronCount(config, config.rates.neurons),
  };
}

/**
 * Draws the subnetwork of one group of one step: uniform without replacement in every dimension (among the layers
 * that are not kept always), independent between layers. A dimension with nothing left out has no list; the full model
 * is `{}`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG as `activeCounts`.
 */
export function sampleSubnetwork(config: SamplerConfig, key: DrawKey): Subnetwork {
  const { nLayer, nHead, nInner, neuronBlock = 1 } = config;
  const { units, perUnit, isGrouped } = headUnits(config);
  const counts = activeCounts(config);
  const stream = (dimension: keyof typeof dimensions, layer: number) =>
    new CounterRng(key.seed, streamTag, key.step, key.group, layer, dimensions[dimension]);

  const subnetwork: Subnetwork = {};
  if (counts.layers < nLayer) subnetwork.layers = drawLayers(stream('layers', 0), config, counts.layers);
  // Streams are named by the layer's index in the model, so a layer draws the same whichever others are active.
  const active = subnetwork.layers ?? Array.from({ length: nLayer }, (_, layer) => layer);
  if (counts.heads < nHead) {
    const count = counts.heads / perUnit;
    if (isGrouped && config.headSampling === 'query') {
      // Units are the places within a group; each group draws its own.
      subnetwork.heads = Array.from(active, (layer) => drawOfEach(stream('heads', layer), perUnit, units, count));
      subnetwork.queryHeads = true;
    } else {
      subnetwork.heads = Array.from(active, (layer) => drawSubset(stream('heads', layer), units, count));
    }
  }
  if (counts.neurons < nInner) {
    subnetwork.neurons = Array.from(active, (layer) => {
      const blocks = drawSubset(stream('neurons', layer), nInner / neuronBlock, counts.neurons / neuronBlock);
      return neuronBlock === 1 ? blocks : expandBlocks(blocks, neuronBlock);
    });
  }
  return subnetwork;
}

/**
 * What is counted when heads are sampled, and how many query heads a unit has: key and value heads with their queries,
 * or (`query`) query heads of a group, one unit of which is active in every group.
 */
function headUnits({ nHead, nKvHead = nHead, headSampling }: Omit<SamplerConfig, 'rates'>) {
  const groupSize = nHead / nKvHead;
  const isGrouped = groupSize > 1;
  if (isGrouped && headSampling === 'query') return { units: groupSize, perUnit: nKvHead, isGrouped };
  return { units: nKvHead, perUnit: groupSize, isGrouped };
}

/** `count` of each of `groups` runs of `size` adjacent units, ascending. */
function drawOfEach(rng: CounterRng, groups: number, size: number, count: number): Int32Array {
  const units = new Int32Array(groups * count);
  for (let group = 0; group < groups; group++) {
    const chosen = drawSubset(rng, size, count);
    for (let i = 0; i < count; i++) units[group * count + i] = group * size + chosen[i]!;
  }
  return units;
}

/** `count` layers, ascending: the kept ones and a uniform choice of those between. */
function drawLayers(rng: CounterRng, config: SamplerConfig, count: number): Int32Array {
  const { nLayer, keepFirst = 0, keepLast = 0 } = config;
  const middle = drawSubset(rng, nLayer - keepFirst - keepLast, count - keepFirst - keepLast);
  const layers = new Int32Array(count);
  for (let i = 0; i < keepFirst; i++) layers[i] = i;
  for (let i = 0; i < middle.length; i++) layers[keepFirst + i] = keepFirst + middle[i]!;
  for (let i = 0; i < keepLast; i++) layers[count - keepLast + i] = nLayer - keepLast + i;
  return layers;
}

/**
 * A uniform k-subset of {0, ..., n - 1}, ascending. Marks the smaller of the subset and its complement with min(k, n - k)
 * draws (R. W. Floyd, "A sample of brilliance", CACM 30(9), 1987), then collects in index order: no sort, no swaps.
 */
function drawSubset(rng: CounterRng, n: number, k: number): Int32Array {
  const marksChosen = k <= n - k;
  const marked = new Uint8Array(n);
  for (let last = n - (marksChosen ? k : n - k); last < n; last++) {
    const pick = rng.nextBelow(last + 1);
    // `last` if the pick is taken. Both loops avoid branches that would be coin flips.
    marked[pick + (last - pick) * marked[pick]!] = 1;
  }
  const subset = new Int32Array(k);
  const unwanted = marksChosen ? 0 : 1;
  for (let i = 0, filled = 0; filled < k; i++) {
    subset[filled] = i;
    filled += marked[i]! ^ unwanted;
  }
  return subset;
}

/** The units of the given blocks of `size` adjacent ones. */
export function expandBlocks(blocks: Int32Array, size: number): Int32Array {
  const units = new Int32Array(blocks.length * size);
  for (let i = 0; i < units.length; i++) units[i] = blocks[Math.floor(i / size)]! * size + (i % size);
  return units;
}

function checkOptions(config: SamplerConfig, layers: number): void {
  const { nLayer, nInner, rates, neuronMultiple = 1, neuronBlock = 1, keepFirst = 0, keepLast = 0 } = config;
  for (const name of ['heads', 'neurons', 'layers'] as const) {
    if (!(rates[name] > 0 && rates[name] <= 1)) {
      fail(`rates.${name}: expected a number above 0 and at most 1, received ${rates[name]}`);
    }
  }
  for (const [name, value, least] of [
    ['neuronMultiple', neuronMultiple, 1],
    ['neuronBlock', neuronBlock, 1],
    ['keepFirst', keepFirst, 0],
    ['keepLast', keepLast, 0],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      fail(`${name}: expected an integer of at least ${least}, received ${value}`);
    }
  }
  if (nInner % neuronBlock !== 0) {
    fail(`neuronBlock: expected a divisor of the ${nInner} MLP neurons, received ${neuronBlock}`);
  }
  if (keepFirst + keepLast > layers) {
    fail(
      `keepFirst + keepLast: expected at most the ${layers} of ${nLayer} layers that are active at layer rate ` +
        `${rates.layers}, received ${keepFirst} + ${keepLast}; keep fewer layers or raise the rate`,
    );
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, remainder] = [a, b];
  while (remainder !== 0) [divisor, remainder] = [remainder, divisor % remainder];
  return (a / divisor) * b;
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message);
}
