// Draws subnetworks: how many layers, heads and neurons are active at given rates, and which. A draw is a pure function
// of (seed, step, group, layer, dimension), so any step can be replayed and a resumed run needs no generator state.
// `schedule.ts` decides the rates of a step.

import { mostUnits } from '../config/architecture.ts';
import { show } from '../config/fields.ts';
import { requireInteger, requireObject } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { type Dimension, dimensionNames, isFull, isRate, type Rates, ratesOfLayers } from './rates.ts';
import { CounterRng } from './rng.ts';
import type { Subnetwork } from './subnetwork.ts';

/**
 * Which units a rate leaves active. `uniform`: drawn anew for every step and group. `first`: always the first ones; such a
 * subnetwork is *nested*: it is what a smaller model would be.
 */
export const choices = ['uniform', 'first'] as const;
export type Choice = (typeof choices)[number];

/** Whether units are the first ones rather than drawn. Every choice is named here: one more does not compile until it is. */
export function takesFirst(choice: Choice | undefined): boolean {
  switch (choice) {
    case 'first':
      return true;
    case 'uniform':
    case undefined:
      return false;
  }
}

/** How to sample, apart from the rates. */
export interface SamplerOptions {
  /** Rounds the number of active neurons to a multiple of this. Default 1. */
  neuronMultiple?: number | undefined;
  /** Samples runs of this many adjacent neurons; divides nInner. Default 1. */
  neuronBlock?: number | undefined;
  /**
   * Unit of head sampling where query heads share keys and values: `group` takes whole groups, a key and value head with
   * its query heads; `query` keeps all keys and values and takes as many query heads of each. Default 'group'.
   */
  headSampling?: 'group' | 'query' | undefined;
  /** The first layers that are always active; they count as active layers. Default 0. */
  keepFirst?: number | undefined;
  /** The last layers that are always active; they count as active layers. Default 0. */
  keepLast?: number | undefined;
  /** `inverse` multiplies the branches of active layers, biases included, by layers / active layers. Default 'none'. */
  layerScale?: 'none' | 'inverse' | undefined;
}

/** What a stage says of sampling beside its rates. */
export interface StageSampling {
  /** Default: uniform, in every dimension. */
  choose?: { [Name in Dimension]?: Choice | undefined } | undefined;
  /**
   * Whether sums over sampled units are multiplied by N / |I|, and branches of layers that are active with a probability of
   * their own divided by it. Default: where the choice is uniform. Units that are always the same keep their function when
   * others join them only if they are not rescaled.
   */
  rescale?: boolean | undefined;
}

export interface SamplerConfig extends SamplerOptions, StageSampling {
  /** Layers of the model, L. */
  nLayer: number;
  /** Query heads per layer, NH. */
  nHead: number;
  /** Key and value heads per layer, KV; divides NH. Default: NH. */
  nKvHead?: number | undefined;
  /** MLP neurons per layer, F. */
  nInner: number;
  rates: Rates;
}

/**
 * How many units are active: layers of the model, heads and neurons of an active layer. Means, where rates differ by layer
 * or layers are active by chance.
 */
export interface ActiveCounts {
  layers: number;
  /** Query heads. */
  heads: number;
  /** Key and value heads, where there are fewer of them than query heads in the model; else as many as `heads`. */
  kvHeads?: number | undefined;
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

/** What rates mean for each layer. */
interface LayerCounts {
  /** Probability of each layer to be active. */
  shares: number[];
  /** Active layers; where each has a probability of its own, their mean. */
  layers: number;
  /** Active units of heads (see `headUnits`), and neurons, of each layer when it is active. */
  heads: number[];
  neurons: number[];
}

/**
 * Units that each layer has active at the config's rates.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG as `activeCounts`.
 */
export function layerCounts(config: SamplerConfig): LayerCounts {
  const { nLayer, rates } = config;
  checkOptions(config);
  const { units } = headUnits(config);
  const shares = layerShares(config);
  return {
    shares,
    layers: typeof rates.layers === 'number' ? activeCount(rates.layers, nLayer) : sum(shares),
    heads: ratesOfLayers(rates.heads, nLayer, 'rates.heads').map((rate) => activeCount(rate, units)),
    neurons: ratesOfLayers(rates.neurons, nLayer, 'rates.neurons').map((rate) => neuronCount(config, rate)),
  };
}

/** Probability of each layer to be active. */
function layerShares({ nLayer, rates, choose, keepFirst = 0, keepLast = 0 }: SamplerConfig): number[] {
  const kept = (layer: number) => layer < keepFirst || layer >= nLayer - keepLast;
  if (typeof rates.layers === 'object') {
    return ratesOfLayers(rates.layers, nLayer, 'rates.layers').map((rate, layer) => (kept(layer) ? 1 : rate));
  }
  const count = activeCount(rates.layers, nLayer);
  if (takesFirst(choose?.layers)) return Array.from({ length: nLayer }, (_, layer) => (layer < count ? 1 : 0));
  const others = nLayer - keepFirst - keepLast;
  const share = others === 0 ? 1 : (count - keepFirst - keepLast) / others;
  return Array.from({ length: nLayer }, (_, layer) => (kept(layer) ? 1 : share));
}

/**
 * The counts at the config's rates: what is computed, printed and scaled by.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if a rate or option is out of range, nInner is no multiple of `neuronBlock`,
 * `keepFirst` + `keepLast` exceed the active layers, or the first of what has no order are wanted.
 */
export function activeCounts(config: SamplerConfig): ActiveCounts {
  const { perUnit, isGrouped } = headUnits(config);
  const { shares, layers, heads, neurons } = layerCounts(config);
  const ofActive = (counts: number[]) => {
    // Exact where all have as many.
    if (counts.every((count) => count === counts[0])) return counts[0]!;
    return sum(counts.map((count, layer) => shares[layer]! * count)) / sum(shares);
  };
  const active = ofActive(heads);
  return {
    layers,
    heads: active * perUnit,
    ...(isGrouped ? { kvHeads: config.headSampling === 'query' ? config.nKvHead! : active } : {}),
    neurons: ofActive(neurons),
  };
}

/** Whether nothing is left out. */
export function isComplete(config: SamplerConfig): boolean {
  const { heads, neurons, layers } = activeCounts(config);
  return layers === config.nLayer && heads === config.nHead && neurons === config.nInner;
}

/** Whether every draw gives the same first units, so that all groups share one subnetwork. */
export function isNested(config: SamplerConfig): boolean {
  const { nLayer, nHead, nInner, choose } = config;
  const { heads, neurons, layers } = activeCounts(config);
  return (
    (layers === nLayer || takesFirst(choose?.layers)) &&
    (heads === nHead || takesFirst(choose?.heads)) &&
    (neurons === nInner || takesFirst(choose?.neurons))
  );
}

/**
 * Draws the subnetwork of one group of one step. `uniform`: without replacement in every dimension (among the layers
 * that are not kept always), independent between layers; layers with rates of their own are active independently of each
 * other, the likeliest one where none was drawn. `first`: the first units. A dimension with nothing left out has no list;
 * the full model is `{}`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG as `activeCounts`.
 */
export function sampleSubnetwork(config: SamplerConfig, key: DrawKey): Subnetwork {
  requireObject('config', config);
  requireObject('key', key);
  const counts = layerCounts(config);
  const { nLayer, nInner, neuronBlock = 1, choose = {}, rescale } = config;
  const { units, perUnit, isGrouped } = headUnits(config);
  const stream = (dimension: keyof typeof dimensions, layer: number) =>
    new CounterRng(key.seed, streamTag, key.step, key.group, layer, dimensions[dimension]);
  const isRescaled = (dimension: Dimension) => rescale ?? !takesFirst(choose[dimension]);

  const subnetwork: Subnetwork = {};
  const layers = chooseLayers(config, counts, () => stream('layers', 0));
  if (layers.length < nLayer) subnetwork.layers = layers;
  if (typeof config.rates.layers === 'object' && isRescaled('layers') && counts.shares.some((share) => share < 1)) {
    subnetwork.layerScale = Float64Array.from(layers, (layer) => 1 / counts.shares[layer]!);
  } else if (config.layerScale === 'inverse' && layers.length < nLayer) {
    subnetwork.layerScale = nLayer / layers.length;
  }
  // Streams are named by the layer's index in the model, so a layer draws the same whichever others are active.
  if (counts.heads.some((count) => count < units)) {
    const byQuery = isGrouped && config.headSampling === 'query';
    subnetwork[byQuery ? 'queryHeads' : 'heads'] = Array.from(layers, (layer) => {
      const count = counts.heads[layer]!;
      if (takesFirst(choose.heads)) return firstUnits(count);
      // Of query heads a unit is a place beside the others that share keys and values; every key and value head draws its own.
      return byQuery
        ? drawOfEach(stream('heads', layer), perUnit, units, count)
        : drawSubset(stream('heads', layer), units, count);
    });
    if (!isRescaled('heads')) subnetwork.headScale = 1;
  }
  if (counts.neurons.some((count) => count < nInner)) {
    subnetwork.neurons = Array.from(layers, (layer) => {
      const count = counts.neurons[layer]!;
      if (takesFirst(choose.neurons)) return firstUnits(count);
      const blocks = drawSubset(stream('neurons', layer), nInner / neuronBlock, count / neuronBlock);
      return neuronBlock === 1 ? blocks : expandBlocks(blocks, neuronBlock);
    });
    if (!isRescaled('neurons')) subnetwork.neuronScale = 1;
  }
  return subnetwork;
}

/** 0, 1, ..., count - 1. */
export function firstUnits(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, unit) => unit);
}

/** The active layers, ascending. */
function chooseLayers(config: SamplerConfig, { shares, layers }: LayerCounts, stream: () => CounterRng): Int32Array {
  const { nLayer, rates, choose } = config;
  if (typeof rates.layers === 'object') {
    const rng = stream();
    const active = Int32Array.from(shares.keys()).filter((layer) => rng.nextFloat() < shares[layer]!);
    return active.length > 0 ? active : Int32Array.of(shares.indexOf(Math.max(...shares)));
  }
  if (layers === nLayer || takesFirst(choose?.layers)) return firstUnits(layers);
  return drawLayers(stream(), config, layers);
}

/**
 * What is counted when heads are sampled, and how many query heads a unit has: key and value heads with their queries,
 * or (`query`) query heads of a group, one unit of which is active in every group.
 */
export function headUnits({
  nHead,
  nKvHead = nHead,
  headSampling,
}: Omit<SamplerConfig, 'rates' | 'nInner' | 'nLayer'>) {
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

function checkOptions(config: SamplerConfig): void {
  const { nLayer, nHead, nKvHead = nHead, nInner, rates, choose, headSampling } = config;
  const { neuronMultiple = 1, neuronBlock = 1, keepFirst = 0, keepLast = 0, layerScale, rescale } = config;
  for (const name of dimensionNames) {
    if (!isRate(rates?.[name])) {
      fail(`rates.${name}: expected a number above 0 and at most 1, received ${show(rates?.[name])}`);
    }
  }
  checkChoice(choose, 'choose');
  for (const [name, value, words] of [
    ['headSampling', headSampling, ['group', 'query']],
    ['layerScale', layerScale, ['none', 'inverse']],
    ['rescale', rescale, [true, false]],
  ] as const) {
    if (value !== undefined && !(words as readonly unknown[]).includes(value)) {
      fail(`${name}: expected ${words.join(' or ')}, received ${show(value)}`);
    }
  }
  for (const [name, value, least, most] of [
    ['nLayer', nLayer, 1, mostUnits.nLayer],
    ['nHead', nHead, 1, mostUnits.nHead],
    ['nKvHead', nKvHead, 1, mostUnits.nHead],
    ['nInner', nInner, 1, mostUnits.nInner],
    ['neuronMultiple', neuronMultiple, 1, mostUnits.nInner],
    ['neuronBlock', neuronBlock, 1, mostUnits.nInner],
    ['keepFirst', keepFirst, 0, mostUnits.nLayer],
    ['keepLast', keepLast, 0, mostUnits.nLayer],
  ] as const) {
    requireInteger(name, value, least, most);
  }
  if (nHead % nKvHead !== 0) fail(`nKvHead: expected a divisor of the ${nHead} query heads, received ${nKvHead}`);
  if (nInner % neuronBlock !== 0) {
    fail(`neuronBlock: expected a divisor of the ${nInner} MLP neurons, received ${neuronBlock}`);
  }
  if (takesFirst(choose?.layers) && typeof rates.layers === 'object' && !isFull(rates.layers)) {
    fail('rates.layers: expected one number, because the first layers are chosen, received rates by layer');
  }
  if (takesFirst(choose?.heads) && headSampling === 'query' && nKvHead < nHead && !isFull(rates.heads)) {
    fail('headSampling: expected group, because the first heads are chosen, received query');
  }
  if (takesFirst(choose?.layers) && keepLast > 0 && !isFull(rates.layers)) {
    fail(`keepLast: expected 0, because the first layers are chosen, received ${keepLast}`);
  }
  if (typeof rates.layers === 'object' || takesFirst(choose?.layers)) return;
  const layers = activeCount(rates.layers, nLayer);
  if (keepFirst + keepLast > layers) {
    fail(
      `keepFirst + keepLast: expected at most the ${layers} of ${nLayer} layers that are active at layer rate ` +
        `${rates.layers}, received ${keepFirst} + ${keepLast}; keep fewer layers or raise the rate`,
    );
  }
}

/**
 * Checks choices by dimension.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for anything else, a word for all dimensions included.
 */
export function checkChoice(choose: StageSampling['choose'], name: string): void {
  if (choose === undefined) return;
  const isObject = typeof choose === 'object' && choose !== null;
  const isKnown = ([key, choice]: [string, unknown]) =>
    (dimensionNames as readonly string[]).includes(key) &&
    (choice === undefined || (choices as readonly unknown[]).includes(choice));
  if (isObject && Object.entries(choose).every(isKnown)) return;
  fail(
    `${name}: expected an object of heads, neurons and layers, each ${choices.join(' or ')}, received ${show(choose)}`,
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, remainder] = [a, b];
  while (remainder !== 0) [divisor, remainder] = [remainder, divisor % remainder];
  return (a / divisor) * b;
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message);
}
