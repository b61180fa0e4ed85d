// The single checks: each gives what it measured, to be held against its bound.

import { readFile } from 'node:fs/promises';
import type { Device } from '../config/device.ts';
import { parseModelConfig } from '../config/model-config.ts';
import { countFlops, type FlopCount } from '../est/flops.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { Model } from '../model/model.ts';
import type { Precision, SequenceGroup } from '../model/options.ts';
import { type CheckCase, halfOf, randomBatch } from './cases.ts';
import { isActive } from './inactive.ts';
import { compareTensors, fingerprint, gradientsOf, parametersOf, roughModel, type Tensors } from './models.ts';

export interface Measurement {
  what: string;
  measured: number;
  bound: number;
  /** Whether the measured number must not be below the bound; else it must not be above. */
  isLeast?: true;
}

const adamw = { lr: 1e-3, weightDecay: 0.1, gradientClip: 1 };

/** Loss, gradients and executed FLOPs of a step against the float64 reference. */
export async function againstReference(
  check: CheckCase,
  groups: readonly SequenceGroup[],
  device: Device,
  precision: 'float32' | 'bf16',
): Promise<Measurement[]> {
  const { config, batchSize, sequenceLength } = check;
  const { tokens, targets } = randomBatch(check);
  using reference = await roughModel(config, 'reference', 'float64');
  using model = await roughModel(config, device, precision);
  const expected = await reference.forwardBackward(tokens, targets, { batchSize, groups });
  const result = await model.forwardBackward(tokens, targets, { batchSize, groups });
  const gradients = compareTensors(await gradientsOf(model), await gradientsOf(reference));
  const loss = Math.abs(result.loss - expected.loss) / expected.loss;
  const ledgers = groups.map(({ sequences, subnetwork }) =>
    countFlops(config, { batchSize: sequences, sequenceLength, ...(subnetwork ? { subnetwork } : {}) }),
  );
  const off = flopDifference({ forward: result.forwardFlops, backward: result.backwardFlops }, ledgers);
  const isExact = precision === 'float32';
  return [
    { what: 'loss, relative', measured: loss, bound: isExact ? 1e-5 : 1e-2 },
    isExact
      ? { what: 'gradients, relative', measured: gradients.difference, bound: 1e-4 }
      : { what: 'gradients, cosine', measured: gradients.cosine, bound: 0.999, isLeast: true },
    { what: 'FLOPs beside the ledger', measured: off, bound: 0 },
  ];
}

/** Largest difference of any component. */
function flopDifference(executed: FlopCount, ledgers: readonly FlopCount[]): number {
  const components = ['qkv', 'scores', 'outProjection', 'mlp', 'head'] as const;
  const passes = ['forward', 'backward'] as const;
  return Math.max(
    ...passes.flatMap((pass) =>
      components.map((name) => {
        const counted = ledgers.reduce((sum, ledger) => sum + ledger[pass][name], 0);
        return Math.abs(executed[pass][name] - counted);
      }),
    ),
  );
}

/** Replaces every weight outside the subnetwork; returns how many. */
async function overwriteInactive(model: Model, subnetwork: Subnetwork, value: number): Promise<number> {
  let count = 0;
  for (const name of model.tensorNames) {
    const values = await model.parameter(name);
    const active = isActive(model.config, subnetwork, name);
    for (let i = 0; i < values.length; i++) {
      if (active(i)) continue;
      values[i] = value;
      count++;
    }
    await model.setParameter(name, values);
  }
  return count;
}

/** A copy with zeros where `isKept` says no. */
function only(model: Model, tensors: Tensors, subnetwork: Subnetwork, keepsActive: boolean): Tensors {
  return new Map(
    [...tensors].map(([name, data]) => {
      const active = isActive(model.config, subnetwork, name);
      return [name, data.map((value: number, i: number) => (active(i) === keepsActive ? value : 0))] as const;
    }),
  );
}

/** Nothing inactive is read (it is NaN) and nothing inactive is written, through a whole step with `freeze`. */
export async function nanPoison(
  check: CheckCase,
  subnetwork: Subnetwork,
  device: Device,
  precision: Precision,
): Promise<Measurement[]> {
  const { batchSize } = check;
  const { tokens, targets } = randomBatch(check);
  const run = async (isPoisoned: boolean) => {
    using model = await roughModel(check.config, device, precision);
    // A dense step first, so that all moments are there.
    await model.forwardBackward(tokens, targets, { batchSize });
    await model.optimizerStep({ ...adamw, inactive: 'freeze' });
    const count = isPoisoned ? await overwriteInactive(model, subnetwork, Number.NaN) : 0;
    const inactive = async () => {
      const moments: Tensors = new Map();
      for (const name of model.tensorNames) {
        for (const which of ['m', 'v'] as const) {
          const own = new Map([[name, await model.moment(name, which)]]);
          moments.set(`${name} ${which}`, only(model, own, subnetwork, false).get(name)!);
        }
      }
      return `${fingerprint(only(model, await parametersOf(model), subnetwork, false))} ${fingerprint(moments)}`;
    };
    const before = await inactive();
    const { loss } = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    const gradients = fingerprint(await gradientsOf(model));
    await model.optimizerStep({ ...adamw, inactive: 'freeze' });
    const active = only(model, await parametersOf(model), subnetwork, true);
    const allFinite = Number.isFinite(loss) && [...active.values()].every((data) => data.every(Number.isFinite));
    return {
      count,
      allFinite,
      isUnchanged: before === (await inactive()),
      bits: `${loss} ${gradients} ${fingerprint(active)}`,
    };
  };
  const clean = await run(false);
  const poisoned = await run(true);
  const flag = (what: string, isRight: boolean): Measurement => ({ what, measured: isRight ? 0 : 1, bound: 0 });
  return [
    { what: 'weights poisoned', measured: poisoned.count, bound: 1, isLeast: true },
    flag('not finite', poisoned.allFinite),
    flag('bits differ from the clean run', poisoned.bits === clean.bits),
    flag('inactive weights or moments written', clean.isUnchanged && poisoned.isUnchanged),
  ];
}

/**
 * A subnetwork is the dense model without the rest: heads and neurons are zeroed there, what they add up to is scaled by
 * (all / active) there too.
 */
export async function compactIsMasked(check: CheckCase, device: Device): Promise<Measurement[]> {
  const { config, batchSize } = check;
  const subnetwork = halfOf(config);
  delete subnetwork.layers;
  // Lists of all layers, the same in each.
  if (subnetwork.heads) subnetwork.heads = Array.from({ length: config.nLayer }, () => subnetwork.heads![0]);
  if (subnetwork.neurons) subnetwork.neurons = Array.from({ length: config.nLayer }, () => subnetwork.neurons![0]);
  const { tokens, targets } = randomBatch(check);
  const options = { batchSize, targets, logits: 'all' as const };
  using compact = await roughModel(config, device, 'float32');
  using masked = await roughModel(config, device, 'float32');
  await overwriteInactive(masked, subnetwork, 0);
  const { nKvHead = config.nHead } = config as { nKvHead?: number };
  for (const name of masked.tensorNames) {
    const isHeads = /(attn\.c_proj|o_proj)\.weight$/.test(name);
    const isNeurons = /(mlp\.c_proj|down_proj)\.weight$/.test(name);
    if (!isHeads && !isNeurons) continue;
    const active = (isHeads ? subnetwork.heads : subnetwork.neurons)?.[0]?.length;
    const all = isHeads ? nKvHead : config.nInner;
    const scale = all / (active ?? all);
    await masked.setParameter(
      name,
      (await masked.parameter(name)).map((value: number) => value * scale),
    );
  }
  const result = await compact.forward(tokens, { ...options, subnetwork });
  const expected = await masked.forward(tokens, options);
  const logits = compareTensors(new Map([['logits', result.logits!]]), new Map([['logits', expected.logits!]]));
  return [{ what: 'logits, relative', measured: logits.difference, bound: 1e-5 }];
}

/**
 * The kernels a device runs for 1, 2 and 3 of 4 layers: every layer the same number, and as many where half of a layer's heads and
 * neurons are left out. Launched one by one, and as a graph.
 */
export async function kernelsFollowLayers(device: Device, precision: Precision): Promise<Measurement[]> {
  const size = { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 64, contextLength: 12, vocabSize: 64 };
  const config = parseModelConfig({ preset: 'gpt2-tiny', ...size });
  const check: CheckCase = { name: '', config, batchSize: 1, sequenceLength: 12 };
  const { tokens, targets } = randomBatch(check);
  const off = { launched: 0, graph: 0, half: 0 };
  using model = await Model.create(config, { device, precision });
  const kernelsOf = async (count: number, isHalf: boolean) => {
    const each = (list: Int32Array) => Array.from({ length: count }, () => list);
    const half = { heads: each(Int32Array.of(1)), neurons: each(Int32Array.from({ length: 32 }, (_, i) => 2 * i)) };
    const subnetwork = { layers: Int32Array.from({ length: count }, (_, i) => i), ...(isHalf ? half : {}) };
    const counts: number[] = [];
    for (let i = 0; i < 3; i++) {
      counts.push((await model.forwardBackward(tokens, targets, { subnetwork })).kernels);
      await model.optimizerStep({ ...adamw, inactive: 'freeze' });
    }
    off.graph = Math.max(off.graph, Math.abs(counts[2]! - counts[0]!));
    return counts[0]!;
  };
  const [one, two, three] = [await kernelsOf(1, false), await kernelsOf(2, false), await kernelsOf(3, false)];
  off.half = Math.abs((await kernelsOf(2, true)) - two);
  off.launched = Math.abs(three - two - (two - one));
  return [
    { what: 'kernels of a layer', measured: two - one, bound: 10, isLeast: true },
    { what: 'kernels beyond those of active layers', measured: off.launched, bound: 0 },
    { what: 'kernels more or fewer for half of a layer', measured: off.half, bound: 0 },
    { what: 'kernels more or fewer in a graph', measured: off.graph, bound: 0 },
  ];
}

/** Greedy generation with the cache: how far each chosen token's logit lies below the best one without a cache. */
export async function generation(check: CheckCase, device: Device): Promise<Measurement[]> {
  using model = await roughModel(check.config, device, 'float32');
  const prompt = [...randomBatch(check).tokens.slice(0, 4)];
  const chosen: number[] = [];
  const maxTokens = Math.min(6, check.sequenceLength - prompt.length);
  for await (const token of model.generate(prompt, { maxTokens, temperature: 0 })) chosen.push(token);
  let worst = chosen.length === maxTokens ? 0 : Number.NaN;
  for (const [i, token] of chosen.entries()) {
    const text = Int32Array.from([...prompt, ...chosen.slice(0, i)]);
    const { logits } = await model.forward(text, { logits: 'last' });
    worst = Math.max(worst, Math.max(...logits!) - logits![token]!);
  }
  return [{ what: 'logit below the best', measured: worst, bound: 1e-4 }];
}

export interface TrainingOptions {
  device: Device;
  precision: Precision;
  steps: number;
  isQuick: boolean;
  /** Continues after half of the steps in a new model, from weights and moments. */
  isMoved?: boolean;
  graphs?: boolean;
}

/** Trains a small model on bytes of this very file, two sampled groups a step. */
export async function trainOnText({ device, precision, steps, isQuick, isMoved, graphs }: TrainingOptions) {
  const bytes = await readFile(import.meta.filename);
  const width = isQuick ? 16 : 128;
  const config = parseModelConfig({
    preset: 'gpt2-tiny',
    nLayer: 2,
    nHead: 2,
    nEmbd: width,
    nInner: 4 * width,
    contextLength: 64,
    vocabSize: 256,
  });
  const [batchSize, length] = isQuick ? [2, 12] : [16, 60];
  let model = await Model.create(config, { device, precision, ...(graphs === undefined ? {} : { graphs }) });
  try {
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      if (isMoved && step === steps >> 1) model = await moved(model, device, precision);
      const at = (b: number) => (step * batchSize + b) * length;
      const windows = Array.from({ length: batchSize }, (_, b) => at(b) % (bytes.length - length - 1));
      const tokens = Int32Array.from(windows.flatMap((begin) => [...bytes.subarray(begin, begin + length)]));
      const targets = Int32Array.from(windows.flatMap((begin) => [...bytes.subarray(begin + 1, begin + length + 1)]));
      const groups = [0, 1].map((i) => ({ sequences: batchSize / 2, subnetwork: halfOf(config, 2 * step + i) }));
      const { loss } = await model.forwardBackward(tokens, targets, { batchSize, groups });
      await model.optimizerStep(adamw);
      losses.push(loss);
    }
    return { losses, bits: `${losses.join(' ')} ${fingerprint(await parametersOf(model))}` };
  } finally {
    model.dispose();
  }
}

/** A new model with the weights and the optimizer's state of the old one, which is freed. */
async function moved(old: Model, device: Device, precision: Precision): Promise<Model> {
  const model = await Model.create(old.config, { device, precision, seed: 99 });
  for (const name of old.tensorNames) {
    await model.setParameter(name, await old.parameter(name));
    for (const which of ['m', 'v'] as const) await model.setMoment(name, which, await old.moment(name, which));
  }
  model.optimizerSteps = old.optimizerSteps;
  old.dispose();
  return model;
}
