// Same seed, same bits: run to run, for any number of threads, and whatever shapes came before.
import { describe, expect, it } from 'vitest';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Model } from '../../lib/model/model.ts';
import { allParameters, fingerprints, randomBatch, smallConfig } from '../helpers/models.ts';

// Large enough for several blocks, tasks and tiles in every kernel, with odd sizes at the edges.
const config = smallConfig({ nLayer: 2, nHead: 3, nEmbd: 210, nInner: 415, contextLength: 130, vocabSize: 517 });

async function train(threads: number, precision: 'float32' | 'bf16') {
  using model = await Model.create(config, { threads, precision, seed: 5 });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const { tokens, targets } = randomBatch(config, 3, 130, step);
    for (let group = 0; group < 2; group++) {
      const rates = step === 2 ? { heads: 1, neurons: 1, layers: 1 } : { heads: 0.67, neurons: 0.5, layers: 0.5 };
      const subnetwork = sampleSubnetwork({ ...config, rates }, { seed: 1, step, group });
      const { loss } = await model.forwardBackward(tokens, targets, { batchSize: 3, subnetwork, weight: 0.5 });
      losses.push(loss);
    }
    const { gradientNorm } = await model.optimizerStep({ lr: 1e-3, weightDecay: 0.1, gradientClip: 1 });
    losses.push(gradientNorm);
  }
  return { losses, parameters: fingerprints(await allParameters(model)) };
}

describe('determinism', () => {
  it.each(['float32', 'bf16'] as const)(
    'gives the same bits with 1, 2, 3 and 5 threads, and again, in %s',
    async (precision) => {
      const expected = await train(1, precision);
      for (const threads of [2, 3, 5, 2]) expect(await train(threads, precision)).toEqual(expected);
    },
  );

  it('does not depend on what was computed before', async () => {
    using fresh = await Model.create(config, { threads: 2 });
    using used = await Model.create(config, { threads: 2 });
    const large = randomBatch(config, 4, 130, 1);
    await used.forward(large.tokens, { batchSize: 4, targets: large.targets });
    const small = randomBatch(config, 2, 9, 2);
    const options = { batchSize: 2, targets: small.targets, logits: 'all' as const };
    const expected = await fresh.forward(small.tokens, options);
    const actual = await used.forward(small.tokens, options);
    expect(actual.loss).toBe(expected.loss);
    expect(actual.logits).toEqual(expected.logits);
  });

  it('initialises by seed alone', async () => {
    using a = await Model.create(config, { seed: 1, threads: 1 });
    using b = await Model.create(config, { seed: 1, threads: 2 });
    using c = await Model.create(config, { seed: 2 });
    expect(fingerprints(await allParameters(a))).toEqual(fingerprints(await allParameters(b)));
    const [first, other] = [await a.parameter('wte.weight'), await c.parameter('wte.weight')];
    expect(first.filter((value, i) => value === other[i]).length).toBeLessThan(3);
  });

  it.each(['baseline', 'avx2', 'avx512', 'avx512bf16', 'amx'])(
    'runs %s when limited to it, close to the best',
    async (isa) => {
      const { tokens, targets } = randomBatch(config, 3, 130);
      using best = await Model.create(config, { threads: 2 });
      const { loss } = await best.forward(tokens, { batchSize: 3, targets });
      process.env.BURGEON_MAX_ISA = isa;
      try {
        using limited = await Model.create(config, { threads: 2 });
        // An instruction set this machine lacks falls back to the best below it.
        const order = ['baseline', 'avx2', 'avx512', 'avx512bf16', 'amx'];
        expect(order.indexOf(limited.info.isa)).toBeLessThanOrEqual(order.indexOf(isa));
        const result = await limited.forward(tokens, { batchSize: 3, targets });
        expect(Math.abs(result.loss - loss)).toBeLessThan(1e-5);
      } finally {
        delete process.env.BURGEON_MAX_ISA;
      }
    },
  );
});
