// What must hold for any subnetwork: skipping is exact, real, and touches nothing that is inactive.
import { describe, expect, it } from 'vitest';
import type { Device } from '../../lib/config/device.ts';
import { allFlops, countFlops } from '../../lib/est/flops.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import type { Precision } from '../../lib/model/options.ts';
import { allGradients, allParameters, fingerprints, randomBatch, roughen, smallConfig } from '../helpers/models.ts';
import { maskedDouble, maskedFloat, norm, relativeDifference } from '../helpers/tolerance.ts';

const config = smallConfig({ nLayer: 4, nHead: 4, nEmbd: 32, nInner: 96, contextLength: 12 });
const batchSize = 3;
const { tokens, targets } = randomBatch(config, batchSize, 12);

const engines: { device: Device; precision: Precision; tolerance: number }[] = [
  { device: 'reference', precision: 'float64', tolerance: maskedDouble },
  { device: 'reference', precision: 'float32', tolerance: maskedFloat },
  { device: 'cpu', precision: 'float32', tolerance: maskedFloat },
];

function sample(rates: { heads: number; neurons: number; layers: number }, step = 0): Subnetwork {
  return sampleSubnetwork({ ...config, rates }, { seed: 11, step, group: 0 });
}

/** Everything there is, as explicit lists. */
function completeLists(): Subnetwork {
  const all = (count: number) => Int32Array.from({ length: count }, (_, i) => i);
  const perLayer = (count: number) => Array.from({ length: config.nLayer }, () => all(count));
  return { layers: all(config.nLayer), heads: perLayer(config.nHead), neurons: perLayer(config.nInner) };
}

async function roughModel(engine: { device: Device; precision: Precision }, threads = 2) {
  const model = await Model.create(config, { ...engine, threads });
  await roughen(model);
  return model;
}

describe.each(engines)('$device $precision', (engine) => {
  it('rate 1 is the dense path, bit for bit', async () => {
    using model = await roughModel(engine);
    const dense = await model.forwardBackward(tokens, targets, { batchSize });
    const expected = fingerprints(await allGradients(model));
    for (const subnetwork of [{}, completeLists(), sample({ heads: 1, neurons: 1, layers: 1 })]) {
      await model.clearGradients();
      const { loss } = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
      expect(loss).toBe(dense.loss);
      expect(fingerprints(await allGradients(model))).toEqual(expected);
    }
  });

  it.each([
    ['all', { heads: 0.5, neurons: 0.5, layers: 0.5 }],
    ['uneven counts', { heads: 0.75, neurons: 0.3, layers: 0.75 }],
    ['heads', { heads: 0.25, neurons: 1, layers: 1 }],
    ['neurons', { heads: 1, neurons: 0.125, layers: 1 }],
  ])('skipped equals masked and rescaled dense: %s', async (_, rates) => {
    using model = await roughModel(engine);
    const subnetwork = sample(rates);
    const skipped = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    const gradients = await allGradients(model);

    // The dense model with inactive rows of both output projections zeroed and active ones scaled; inactive layers get
    // zero output projections and biases. Its gradient for a scaled row is the skipped one divided by the scale.
    using masked = await roughModel(engine);
    const layers = subnetwork.layers ?? Int32Array.from({ length: config.nLayer }, (_, i) => i);
    const rowScales = new Map<string, Float64Array>();
    for (let layer = 0; layer < config.nLayer; layer++) {
      const slot = layers.indexOf(layer);
      const heads = slot < 0 ? new Int32Array() : subnetwork.heads?.[slot];
      const neurons = slot < 0 ? new Int32Array() : subnetwork.neurons?.[slot];
      const headSize = config.nEmbd / config.nHead;
      const headScales = unitScales(config.nHead, heads);
      rowScales.set(
        `h.${layer}.attn.c_proj.weight`,
        Float64Array.from({ length: config.nEmbd }, (_, r) => headScales[Math.floor(r / headSize)]!),
      );
      rowScales.set(`h.${layer}.mlp.c_proj.weight`, unitScales(config.nInner, neurons));
      if (slot >= 0) continue;
      for (const bias of ['attn.c_proj.bias', 'mlp.c_proj.bias']) {
        await masked.setParameter(`h.${layer}.${bias}`, new Float32Array(config.nEmbd));
      }
    }
    for (const [name, scales] of rowScales) {
      const weight = await masked.parameter(name);
      await masked.setParameter(
        name,
        weight.map((value, i) => value * scales[Math.floor(i / config.nEmbd)]!),
      );
    }
    const dense = await masked.forwardBackward(tokens, targets, { batchSize });
    expect(Math.abs(skipped.loss - dense.loss) / dense.loss).toBeLessThan(engine.tolerance);
    for (const [name, gradient] of gradients) {
      const layer = /^h\.(\d+)\./.exec(name)?.[1];
      if (layer !== undefined && !layers.includes(Number(layer))) {
        expect(norm(gradient), name).toBe(0);
        continue;
      }
      const expected = await masked.gradient(name);
      const scales = rowScales.get(name);
      if (scales) for (let i = 0; i < expected.length; i++) expected[i]! *= scales[Math.floor(i / config.nEmbd)]!;
      if (name.endsWith('c_attn.bias')) {
        // Zero in exact arithmetic.
        for (const array of [gradient, expected]) array.fill(0, config.nEmbd, 2 * config.nEmbd);
      }
      expect(relativeDifference(gradient, expected), name).toBeLessThan(engine.tolerance);
    }
  });

  it('NaN in every inactive weight changes no bit of the loss or of any active gradient', async () => {
    using model = await roughModel(engine);
    const subnetwork = sample({ heads: 0.5, neurons: 0.5, layers: 0.5 });
    const clean = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    const expected = fingerprints(await allGradients(model));
    await model.clearGradients();
    await poisonInactive(model, subnetwork);
    const poisoned = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    expect(poisoned.loss).toBe(clean.loss);
    expect(fingerprints(await allGradients(model))).toEqual(expected);

    // The update with `freeze` leaves the poison where it was and keeps everything else finite.
    const before = await allParameters(model);
    await model.optimizerStep({ lr: 1e-2, weightDecay: 0.1, gradientClip: 1, inactive: 'freeze' });
    for (const [name, after] of await allParameters(model)) {
      const old = before.get(name)!;
      for (let i = 0; i < after.length; i++) {
        if (Number.isNaN(after[i]!) !== Number.isNaN(old[i]!))
          throw new Error(`${name}[${i}]: ${old[i]} became ${after[i]}`);
      }
    }
    const again = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
    expect(again.loss).toBeLessThan(clean.loss);
  });

  it('executes the FLOPs the ledger counts', async () => {
    using model = await roughModel(engine);
    for (const rates of [
      { heads: 1, neurons: 1, layers: 1 },
      { heads: 0.5, neurons: 0.3, layers: 0.75 },
      { heads: 0.25, neurons: 0.6, layers: 0.25 },
    ]) {
      const subnetwork = sample(rates);
      const counted = countFlops(config, { batchSize, sequenceLength: 12, subnetwork });
      const { forwardFlops, backwardFlops } = await model.forwardBackward(tokens, targets, { batchSize, subnetwork });
      expect(forwardFlops).toEqual(counted.forward);
      expect(backwardFlops).toEqual(counted.backward);
      expect(allFlops(forwardFlops)).toBeGreaterThan(0);
    }
  });

  it('groups of a batch train as if each came alone', async () => {
    const groups = [
      { sequences: 1, subnetwork: sample({ heads: 0.5, neurons: 0.25, layers: 0.5 }, 0) },
      { sequences: 1 },
      { sequences: 1, subnetwork: sample({ heads: 0.5, neurons: 0.25, layers: 0.5 }, 1) },
    ];
    using together = await roughModel(engine);
    using alone = await roughModel(engine);
    const { loss, forwardFlops } = await together.forwardBackward(tokens, targets, { batchSize, groups, weight: 0.5 });
    const counts = groups.map(
      (_, i) => targets.subarray(12 * i, 12 * (i + 1)).filter((target) => target !== -1).length,
    );
    const total = counts.reduce((sum, count) => sum + count);
    let mean = 0;
    let flops = 0;
    for (const [i, { subnetwork }] of groups.entries()) {
      const rows = [12 * i, 12 * (i + 1)] as const;
      const options = { subnetwork, weight: (0.5 * counts[i]!) / total };
      const each = await alone.forwardBackward(tokens.subarray(...rows), targets.subarray(...rows), options);
      mean += (each.loss * counts[i]!) / total;
      flops += allFlops(each.forwardFlops);
    }
    expect(Math.abs(loss - mean)).toBeLessThan(engine.tolerance * mean);
    expect(allFlops(forwardFlops)).toBe(flops);
    const expected = await allGradients(alone);
    for (const [name, gradient] of await allGradients(together)) {
      expect(relativeDifference(gradient, expected.get(name)!), name).toBeLessThan(engine.tolerance);
    }
  });

  it('freeze leaves units alone that no group touched; zero-grad decays them', async () => {
    const groups = [
      sample({ heads: 0.5, neurons: 0.25, layers: 0.5 }, 0),
      sample({ heads: 0.5, neurons: 0.25, layers: 0.5 }, 1),
    ];
    for (const inactive of ['freeze', 'zero-grad'] as const) {
      using model = await roughModel(engine);
      // One dense step first, so that all moments are there.
      await model.forwardBackward(tokens, targets, { batchSize });
      await model.optimizerStep({ lr: 1e-2, weightDecay: 0.1 });
      const before = await allParameters(model);
      const moments = new Map<string, ArrayLike<number>>();
      for (const name of model.tensorNames) moments.set(name, await model.moment(name, 'm'));
      for (const subnetwork of groups) {
        await model.forwardBackward(tokens, targets, { batchSize, subnetwork, weight: 0.5 });
      }
      await model.optimizerStep({ lr: 1e-2, weightDecay: 0.1, inactive });
      const isTouched = touchedBy(groups);
      for (const [name, after] of await allParameters(model)) {
        const old = before.get(name)!;
        const m = await model.moment(name, 'm');
        for (let i = 0; i < after.length; i++) {
          const frozen = inactive === 'freeze' && !isTouched(name, i);
          const unchanged = after[i] === old[i] && m[i] === moments.get(name)![i];
          if (unchanged !== frozen) {
            // Without a moment, zero cannot show a change, nor can a key's bias: it is not decayed, and its gradient is
            // zero in exact arithmetic, so that roundings may cancel.
            const isKeyBias = name.endsWith('c_attn.bias') && i >= config.nEmbd && i < 2 * config.nEmbd;
            if (!frozen && m[i] === 0 && (old[i] === 0 || isKeyBias)) continue;
            throw new Error(`${inactive}: ${name}[${i}] ${unchanged ? 'did not change' : 'changed'}`);
          }
        }
      }
    }
  });
});

/** count / active for active units, 0 for the others; undefined = all active. */
function unitScales(count: number, active: Int32Array | undefined): Float64Array {
  const scales = new Float64Array(count).fill(active ? 0 : 1);
  for (const unit of active ?? []) scales[unit] = count / active!.length;
  return scales;
}

/** Whether element i of a tensor (Hugging Face layout) belongs to something one of the groups has active. */
function touchedBy(groups: Subnetwork[]): (name: string, i: number) => boolean {
  const { nEmbd: C, nInner: F } = config;
  const headSize = C / config.nHead;
  return (name, i) => {
    const match = /^h\.(\d+)\.(.*)$/.exec(name);
    if (!match) return true;
    return groups.some((group) => {
      const slot = group.layers ? group.layers.indexOf(Number(match[1])) : Number(match[1]);
      if (slot < 0) return false;
      const hasHead = (column: number) => group.heads?.[slot]?.includes(Math.floor(column / headSize)) ?? true;
      const hasNeuron = (neuron: number) => group.neurons?.[slot]?.includes(neuron) ?? true;
      switch (match[2]) {
        case 'attn.c_attn.weight':
        case 'attn.c_attn.bias':
          return hasHead((i % (3 * C)) % C);
        case 'attn.c_proj.weight':
          return hasHead(Math.floor(i / C));
        case 'mlp.c_fc.weight':
        case 'mlp.c_fc.bias':
          return hasNeuron(i % F);
        case 'mlp.c_proj.weight':
          return hasNeuron(Math.floor(i / C));
        default:
          return true;
      }
    });
  };
}

async function poisonInactive(model: Model, subnetwork: Subnetwork) {
  const isTouched = touchedBy([subnetwork]);
  let poisoned = 0;
  for (const name of model.tensorNames) {
    const values = await model.parameter(name);
    for (let i = 0; i < values.length; i++) {
      if (isTouched(name, i)) continue;
      values[i] = Number.NaN;
      poisoned++;
    }
    await model.setParameter(name, values);
  }
  expect(poisoned).toBeGreaterThan(1000);
}
