// The part of a model that a run has trained so far: the first layers, and the first heads and neurons of each. A stage
// that draws from all units has trained all. What is not in it still has its initial weights. Pure.

import { type BlockShape, blockOf, requireBlocks } from '../config/architecture.ts';
import { show } from '../config/fields.ts';
import { requireObject, requireReadable, wrong } from '../config/require.ts';
import { withoutUndefined } from '../config/without-undefined.ts';
import { BurgeonError } from '../errors.ts';
import type { Rates } from './rates.ts';
import { firstUnits, headUnits, layerCounts, type SamplerConfig, type SamplerOptions, takesFirst } from './sampler.ts';
import type { Schedule, StageOptions } from './schedule.ts';
import type { Subnetwork } from './subnetwork.ts';

export interface Part {
  layers: number;
  /** Key and value heads of each layer of the model, each with its query heads; 0 of layers that have not been trained. */
  heads: number[];
  /** MLP neurons of each layer, likewise. */
  neurons: number[];
}

/** What of a model a memory plan is made for. */
export interface PartSize {
  layers: number;
  heads: number;
  kvHeads: number;
  neurons: number;
}

/** The sampler of a step or of one end of a stage. */
export function samplerOf(
  model: BlockShape,
  options: SamplerOptions,
  { rates, choose, rescale, keepFirst, keepLast }: { rates: Rates } & StageOptions,
): SamplerConfig {
  const { nLayer, nHead, nInner } = model;
  const { neuronMultiple, neuronBlock, headSampling, layerScale } = options;
  return {
    ...withoutUndefined({ neuronMultiple, neuronBlock, headSampling, layerScale, choose, rescale }),
    ...withoutUndefined({ keepFirst: keepFirst ?? options.keepFirst, keepLast: keepLast ?? options.keepLast }),
    ...{ nLayer, nHead, nKvHead: blockOf(model).nKvHead, nInner, rates },
  };
}

/**
 * What steps 0 to `step` train.
 * @param options what the run says of sampling.
 * @param step 0-based.
 */
export function trainedPart(model: BlockShape, schedule: Schedule, options: SamplerOptions, step: number): Part {
  if (!Number.isInteger(step)) throw wrong('trained part', 'a whole step', step);
  requireBlocks(model);
  requireSchedule(schedule);
  requireObject('options', options);
  const part: Part = { layers: 0, heads: zeros(model.nLayer), neurons: zeros(model.nLayer) };
  for (const stage of schedule.stages) {
    if (stage.startStep === stage.endStep || stage.startStep > step) continue;
    // Counts are monotone within a stage, so its ends have the most.
    const last = step < stage.endStep - 1 ? schedule.at(step).rates : stage.ratesTo;
    for (const rates of [stage.ratesFrom, last])
      addReach(part, model, samplerOf(model, options, { ...stage.options, rates }));
  }
  return part;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for anything but a Schedule, such as its name. */
export function requireSchedule(schedule: Schedule): void {
  requireReadable('schedule', schedule);
  const { stages, at } = (schedule ?? {}) as Partial<Schedule>;
  if (!Array.isArray(stages) || typeof at !== 'function') throw wrong('schedule', 'a Schedule', schedule);
}

/** What a sampler draws from. */
export function partOf(model: BlockShape, sampler: SamplerConfig): Part {
  const part: Part = { layers: 0, heads: zeros(model.nLayer), neurons: zeros(model.nLayer) };
  addReach(part, model, sampler);
  return part;
}

function addReach(part: Part, model: BlockShape, sampler: SamplerConfig): void {
  const { choose } = sampler;
  const counts = layerCounts(sampler);
  const { nKvHead } = blockOf(model);
  const { units } = headUnits(sampler);
  const layers = takesFirst(choose?.layers) ? counts.layers : model.nLayer;
  part.layers = Math.max(part.layers, layers);
  for (let layer = 0; layer < layers; layer++) {
    const heads = takesFirst(choose?.heads) && counts.heads[layer]! < units ? counts.heads[layer]! : nKvHead;
    const neurons = takesFirst(choose?.neurons) ? counts.neurons[layer]! : model.nInner;
    part.heads[layer] = Math.max(part.heads[layer]!, heads);
    part.neurons[layer] = Math.max(part.neurons[layer]!, neurons);
  }
}

/**
 * Checks that a part is one of this model: some of its layers, and of each of them some heads and neurons.
 * @param name of the part, for errors.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE naming the count.
 */
export function checkPart(part: Part, model: BlockShape, name: string): void {
  const { nLayer, nInner } = model;
  requireReadable(name, part);
  if (typeof part !== 'object' || part === null) {
    fail(`${name}: expected layers, heads and neurons, as trainedPart() gives them, received ${show(part)}`);
  }
  checkCount(part.layers, nLayer, `${name}.layers`);
  for (const [key, most] of [
    ['heads', blockOf(model).nKvHead],
    ['neurons', nInner],
  ] as const) {
    const counts = part[key];
    if (!Array.isArray(counts) || counts.length !== nLayer) {
      const received = Array.isArray(counts) ? counts.length : show(counts);
      fail(
        `${name}.${key}: expected a list of ${nLayer} counts, one for each layer of the model, received ${received}`,
      );
    }
    for (let layer = 0; layer < part.layers; layer++) checkCount(counts[layer], most, `${name}.${key}[${layer}]`);
  }
}

function checkCount(count: number | undefined, most: number, name: string): void {
  if (Number.isInteger(count) && count! >= 1 && count! <= most) return;
  fail(`${name}: expected an integer from 1 to ${most}, received ${show(count)}`);
}

export function isWhole(part: Part, model: BlockShape): boolean {
  const { nKvHead } = blockOf(model);
  return (
    part.layers === model.nLayer &&
    part.heads.every((count) => count === nKvHead) &&
    part.neurons.every((count) => count === model.nInner)
  );
}

export function isSamePart(a: Part, b: Part): boolean {
  return a.layers === b.layers && isSame(a.heads, b.heads) && isSame(a.neurons, b.neurons);
}

/**
 * The part as a subnetwork that computes what a model of its size would; undefined for the whole model.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE for what is no part of the model; ERR_BURGEON_CONFIG for what is no model.
 */
export function partSubnetwork(part: Part, model: BlockShape): Subnetwork | undefined {
  requireBlocks(model);
  checkPart(part, model, 'part');
  if (isWhole(part, model)) return undefined;
  const { nKvHead } = blockOf(model);
  const ofLayers = (counts: number[], all: number) => {
    const trained = counts.slice(0, part.layers);
    return trained.every((count) => count === all) ? undefined : trained.map(firstUnits);
  };
  const heads = ofLayers(part.heads, nKvHead);
  const neurons = ofLayers(part.neurons, model.nInner);
  return {
    ...(part.layers < model.nLayer && { layers: firstUnits(part.layers) }),
    ...(heads && { heads, headScale: 1 }),
    ...(neurons && { neurons, neuronScale: 1 }),
  };
}

/** The most of any layer. */
export function partSize(part: Part, model: BlockShape): PartSize {
  const { nKvHead } = blockOf(model);
  const kvHeads = Math.max(...part.heads);
  return { layers: part.layers, heads: kvHeads * (model.nHead / nKvHead), kvHeads, neurons: Math.max(...part.neurons) };
}

function zeros(length: number): number[] {
  return new Array<number>(length).fill(0);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, i) => value === b[i]);
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_SHAPE', message);
}
