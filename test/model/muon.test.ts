// Muon as a whole model does it: against an independent implementation in float64, and the laws of skipping.
import { describe, expect, it } from 'vitest';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { countNewtonSchulzFlops } from '../../lib/est/newton-schulz.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import { planMemory } from '../../lib/model/native-options.ts';
import type { ModelOptions, OptimizerOptions } from '../../lib/model/options.ts';
import { isOrthogonalised } from '../../lib/optim/optimizer.ts';
import {
  allParameters,
  fingerprints,
  randomBatch,
  roughen,
  sequentially,
  smallConfig,
  smallLlama,
} from '../helpers/models.ts';
import { relativeDifference } from '../helpers/tolerance.ts';
import { activeParts, muonUpdate, rowsOf } from './newton-schulz.ts';

/** Odd sizes; of the second, more rows than one block of a symmetric product. */
const gpt2 = smallConfig({ nLayer: 3, nHead: 3, nEmbd: 15, nInner: 34, contextLength: 8, vocabSize: 23 });
const wide = smallConfig({ nLayer: 1, nHead: 1, nEmbd: 132, nInner: 20, contextLength: 8, vocabSize: 23 });
const llama = smallLlama({ nHead: 4, nKvHead: 2, headSize: 6, nEmbd: 16, nInner: 22, vocabSize: 23 });

const sampled: Subnetwork = {
  layers: Int32Array.of(0, 2),
  heads: [Int32Array.of(1), Int32Array.of(0, 2)],
  neurons: [Int32Array.of(0, 5, 6, 20, 33), Int32Array.from({ length: 20 }, (_, i) => i + 3)],
};
/** The first units of the first layer. */
const nested: Subnetwork = {
  layers: Int32Array.of(0),
  heads: [Int32Array.of(0)],
  neurons: [Int32Array.from({ length: 11 }, (_, i) => i)],
};

const step: OptimizerOptions = { lr: 0.02, momentum: 0.9, weightDecay: 0.1, gradientClip: 0.5 };

async function makeModel(config: ModelConfig, options: ModelOptions = {}): Promise<Model> {
  const model = await Model.create(config, { device: 'cpu', threads: 1, optimizer: 'muon', seed: 4, ...options });
  await roughen(model);
  return model;
}

async function addGradients(model: Model, subnetwork: Subnetwork | undefined, seed = 7): Promise<void> {
  const { tokens, targets } = randomBatch(model.config, 2, 6, seed);
  await model.forwardBackward(tokens, targets, { batchSize: 2, subnetwork });
}

const orthogonalised = (config: ModelConfig) =>
  listTensors(config).filter((tensor) => isOrthogonalised('muon', tensor));

/** Every matrix of a layer as numbers: weight, gradient, momentum. */
async function matricesOf(model: Model) {
  return sequentially(orthogonalised(model.config), async (tensor) => ({
    tensor,
    w: rowsOf(tensor, await model.parameter(tensor.name)),
    g: rowsOf(tensor, await model.gradient(tensor.name)),
    m: rowsOf(tensor, await model.moment(tensor.name, 'm')),
  }));
}

describe('an update', () => {
  // The slope of five iterations at a singular value of zero is 3.4445^5, about 500: so much may rounding grow.
  const devices = [
    ['reference', { device: 'reference', precision: 'float64' }, 1e-11],
    ['cpu', { precision: 'float32' }, 2e-4],
    ['cpu in bf16', { precision: 'bf16' }, 0.15],
  ] as const;
  const cases: [string, ModelConfig, Subnetwork | undefined, OptimizerOptions][] = [
    ['GPT-2', gpt2, undefined, {} as OptimizerOptions],
    ['GPT-2, wider than a block', wide, undefined, {} as OptimizerOptions],
    ['GPT-2, the active part', gpt2, sampled, { inactive: 'freeze' } as OptimizerOptions],
    ['GPT-2, all of it with a zero gradient', gpt2, sampled, { inactive: 'zero-grad' } as OptimizerOptions],
    ['GPT-2, the trained part', gpt2, nested, { trained: nested } as OptimizerOptions],
    ['Llama with grouped queries', llama, undefined, {} as OptimizerOptions],
    ['Llama, cautious', llama, undefined, { cautiousWeightDecay: true } as OptimizerOptions],
  ];
  describe.each(devices)('on %s', (_, options, tolerance) => {
    it.each(cases)('of %s is that of the formula', async (__, config, subnetwork, more) => {
      using model = await makeModel(config, options);
      // All momentum has a history.
      await addGradients(model, undefined, 1);
      await model.optimizerStep(step);
      await addGradients(model, subnetwork, 2);
      const before = await matricesOf(model);
      const { gradientNorm } = await model.optimizerStep({ ...step, ...more });
      const after = await matricesOf(model);
      const scale = Math.min(1, step.gradientClip! / gradientNorm);
      const part = more.inactive === 'freeze' ? subnetwork : more.trained;
      for (const [i, { tensor, w, g, m }] of before.entries()) {
        let expected = { w, m };
        for (const rows of activeParts(config, tensor, part)) {
          if (rows.length > 0) {
            const { cautiousWeightDecay } = more;
            const options = { lr: 0.02, momentum: 0.9, weightDecay: 0.1, scale, cautiousWeightDecay };
            expected = muonUpdate({ ...expected, g }, rows, options);
          }
        }
        const old = w.flat();
        const moved = (now: number[][]) => now.flat().map((value, j) => value - old[j]!);
        // Of float32, whose differences are those of rounded weights.
        expect(relativeDifference(moved(after[i]!.w), moved(expected.w))).toBeLessThan(tolerance);
        expect(relativeDifference(after[i]!.m.flat(), expected.m.flat())).toBeLessThan(1e-6);
        expect(after[i]!.g.flat().every((value) => value === 0)).toBe(true);
      }
    });
  });

  it('leaves embeddings, norms and biases to AdamW', async () => {
    using muon = await makeModel(gpt2);
    using adamw = await makeModel(gpt2, { optimizer: 'adamw' });
    for (const model of [muon, adamw]) {
      await addGradients(model, undefined);
      await model.optimizerStep(step);
    }
    const [ours, theirs] = [fingerprints(await allParameters(muon)), fingerprints(await allParameters(adamw))];
    const differing = Object.keys(ours).filter((name) => ours[name] !== theirs[name]);
    expect(differing.sort()).toEqual(
      orthogonalised(gpt2)
        .map(({ name }) => name)
        .sort(),
    );
  });

  it.each(['float32', 'bf16'] as const)('has the same bits with any number of threads, in %s', async (precision) => {
    const config = smallConfig({ nLayer: 1, nHead: 3, nEmbd: 210, nInner: 415, contextLength: 8, vocabSize: 17 });
    const train = async (threads: number) => {
      using model = await makeModel(config, { threads, precision });
      await addGradients(model, undefined);
      await model.optimizerStep(step);
      return fingerprints(await allParameters(model));
    };
    const expected = await train(1);
    for (const threads of [2, 3]) expect(await train(threads)).toEqual(expected);
  });
});

describe('what is inactive', () => {
  it('is neither read nor written: NaN in it changes nothing', async () => {
    const results = [];
    for (const isPoisoned of [false, true]) {
      using model = await makeModel(gpt2);
      await addGradients(model, undefined, 1);
      await model.optimizerStep(step);
      if (isPoisoned) {
        for (const tensor of orthogonalised(gpt2)) {
          const active = activeParts(gpt2, tensor, sampled).flat();
          const poisoned = (data: ArrayLike<number>) => {
            const cols = data.length / tensor.rowCount;
            const rowAt = (j: number) => (tensor.stored === 'transposed' ? j % tensor.rowCount : Math.floor(j / cols));
            return Array.from(data, (value, j) => (active.includes(rowAt(j)) ? value : Number.NaN));
          };
          await model.setParameter(tensor.name, poisoned(await model.parameter(tensor.name)));
          await model.setMoment(tensor.name, 'm', poisoned(await model.moment(tensor.name, 'm')));
        }
      }
      await addGradients(model, sampled, 2);
      await model.optimizerStep({ ...step, inactive: 'freeze' });
      results.push(
        (await matricesOf(model)).map(({ tensor, w, m }) => {
          const active = activeParts(gpt2, tensor, sampled).flat();
          const inactive = w.map((_, row) => row).filter((row) => !active.includes(row));
          if (isPoisoned) expect(inactive.every((row) => [...w[row]!, ...m[row]!].every(Number.isNaN))).toBe(true);
          return active.map((row) => [w[row], m[row]]);
        }),
      );
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('could as well not be there: a model of the active part alone makes the same update', async () => {
    const part: Subnetwork = {
      layers: Int32Array.of(0, 2),
      heads: [Int32Array.of(1), Int32Array.of(0)],
      neurons: [Int32Array.of(0, 5, 6, 20, 21), Int32Array.of(1, 2, 3, 10, 15)],
      headScale: 1,
      neuronScale: 1,
    };
    const options = { device: 'reference', precision: 'float64' } as const;
    using model = await makeModel(llama, options);
    const contents = {
      ...model.contents(),
      readTensor: async (name: string) => Float32Array.from(await model.parameter(name)),
    };
    // As float32, which the small model is made from.
    for (const name of model.tensorNames) await model.setParameter(name, await contents.readTensor(name));
    using small = await Model.fromContents(subnetworkContents(contents, part), { ...options, optimizer: 'muon' });
    for (let i = 0; i < 3; i++) {
      await addGradients(model, part, i);
      await addGradients(small, undefined, i);
      await model.optimizerStep({ ...step, inactive: 'freeze' });
      await small.optimizerStep(step);
    }
    const inSmall = new Map((await matricesOf(small)).map((each) => [each.tensor.name, each]));
    let compared = 0;
    for (const { tensor, w, m } of await matricesOf(model)) {
      const rows = activeParts(llama, tensor, part).flat();
      if (rows.length === 0) continue;
      const same = inSmall.get(tensor.in(part.layers!.indexOf(tensor.layer)))!;
      expect(
        relativeDifference(
          rows.flatMap((row) => w[row]!),
          same.w.flat(),
        ),
      ).toBeLessThan(1e-10);
      expect(
        relativeDifference(
          rows.flatMap((row) => m[row]!),
          same.m.flat(),
        ),
      ).toBeLessThan(1e-10);
      compared++;
    }
    expect(compared).toBe(14);
  });
});

describe('the FLOPs of an update', () => {
  it.each([
    ['all of GPT-2', gpt2, undefined, undefined],
    ['more than a block of rows', wide, undefined, undefined],
    ['Llama', llama, undefined, undefined],
    ['the active part', gpt2, sampled, sampled],
    ['first units', gpt2, nested, nested],
    ['all, where what is inactive has a zero gradient', gpt2, sampled, undefined],
  ])('of %s are those that are counted ahead', async (_, config, trained, counted) => {
    const expected = countNewtonSchulzFlops(config, counted);
    for (const options of [{ device: 'reference' }, {}, { precision: 'bf16' }] as ModelOptions[]) {
      using model = await makeModel(config, options);
      await addGradients(model, trained);
      const result = await model.optimizerStep({ ...step, inactive: counted ? 'freeze' : 'zero-grad' });
      expect(result.newtonSchulzFlops).toBe(expected);
      expect(result.newtonSchulzFlops).toBeGreaterThan(0);
    }
  });

  it('fall with the active part, and are none with AdamW', async () => {
    const config = smallConfig({ nLayer: 12, nHead: 12, nEmbd: 768, nInner: 3072 });
    const half = (count: number, of: number) =>
      Array.from({ length: count }, () => Int32Array.from({ length: of }, (_, i) => i));
    const layers = Int32Array.from({ length: 6 }, (_, i) => i);
    const whole = countNewtonSchulzFlops(config);
    expect(countNewtonSchulzFlops(config, { layers })).toBe(whole / 2);
    expect(countNewtonSchulzFlops(config, { layers, heads: half(6, 6), neurons: half(6, 1536) }) / whole).toBeLessThan(
      0.22,
    );
    using model = await makeModel(gpt2, { optimizer: 'adamw' });
    await addGradients(model, undefined);
    expect((await model.optimizerStep(step)).newtonSchulzFlops).toBe(0);
  });
});

describe('what is kept', () => {
  it('is one moment of every matrix of a layer, as planned', async () => {
    const [config, options] = [smallConfig(), { device: 'cpu', threads: 2, optimizer: 'muon' } as const];
    const { total, ...parts } = planMemory(config, 2, 16, options);
    using model = await Model.create(config, options);
    expect(parts.weights + parts.gradients + parts.moments + parts.slots).toBe(model.info.parameterBytes);
    const tokens = new Int32Array(32);
    await model.forwardBackward(tokens, tokens, { batchSize: 2 });
    await model.optimizerStep({ lr: 1e-3 });
    expect(model.info.parameterBytes + model.info.activationBytes).toBe(total);
    const matrices = 3 * (4 + 8) * 32 * 32;
    expect(planMemory(config, 2, 16, { ...options, optimizer: 'adamw' }).moments - parts.moments).toBe(4 * matrices);
    expect(model.moments('h.0.attn.c_attn.weight')).toEqual(['m']);
    expect(model.moments('wte.weight')).toEqual(['m', 'v']);
    await expect(model.moment('h.0.attn.c_attn.weight', 'v')).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message:
        'moment: expected \'m\' of h.0.attn.c_attn.weight, received "v"; the optimizer muon keeps no other of it',
    });
  });

  it('is refused of an optimizer that is none', async () => {
    await expect(Model.create(gpt2, { optimizer: 'sgd' as 'muon' })).rejects.toThrow(
      "optimizer: expected 'adamw' or 'muon', received \"sgd\"",
    );
    using model = await makeModel(gpt2);
    await addGradients(model, undefined);
    await expect(model.optimizerStep({ lr: 1e-3, momentum: 1 })).rejects.toThrow(
      'momentum: expected a number in [0, 1)',
    );
  });
});
