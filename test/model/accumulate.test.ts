// Micro-batches whose losses are waited for all at once, with the update.
import { expect, test } from 'vitest';
import { Model } from '../../lib/index.ts';

const config = { nLayer: 2, nHead: 2, nEmbd: 16, vocabSize: 40, contextLength: 12 };

function microBatch(seed: number) {
  const tokens = Int32Array.from({ length: 24 }, (_, i) => (i * seed + (i % 5)) % 40);
  return [tokens, tokens.map((token) => (token + seed) % 40), { batchSize: 2, weight: 1 / 3 }] as const;
}

test('the same losses, gradients and weights as with forwardBackward', async () => {
  using waiting = await Model.create(config, { seed: 1, threads: 1 });
  using model = await Model.create(config, { seed: 1, threads: 1 });
  for (let step = 0; step < 2; step++) {
    const losses: number[] = [];
    for (const seed of [3, 7, 11]) {
      const expected = await waiting.forwardBackward(...microBatch(seed));
      losses.push(expected.loss);
      const result = await model.accumulate(...microBatch(seed));
      expect(result).toEqual({
        kernels: 0,
        forwardFlops: expected.forwardFlops,
        backwardFlops: expected.backwardFlops,
        ms: expect.any(Number),
      });
    }
    const name = 'h.1.mlp.c_fc.weight';
    expect(await model.gradient(name)).toEqual(await waiting.gradient(name));
    const { gradientNorm } = await waiting.optimizerStep({ lr: 1e-3 });
    expect(await model.optimizerStep({ lr: 1e-3 })).toEqual({
      ...{ gradientNorm, losses, newtonSchulzFlops: 0 },
      ms: expect.any(Number),
    });
    expect(await model.parameter(name)).toEqual(await waiting.parameter(name));
  }
});

test('losses that were cleared, or read by forwardBackward, are not in the next update', async () => {
  using model = await Model.create(config, { seed: 1, threads: 1 });
  await model.accumulate(...microBatch(3));
  await model.clearGradients();
  const { loss } = await model.accumulate(...microBatch(7)).then(() => model.forwardBackward(...microBatch(7)));
  expect((await model.optimizerStep({ lr: 1e-3 })).losses).toEqual([loss]);
});

test('sums of gradients that are kept aside are merged before the update, or cleared', async () => {
  using model = await Model.create(config, { seed: 1, threads: 1 });
  await model.accumulate(...microBatch(3));
  await expect(model.foldGradients({ merges: 1, keeps: false })).rejects.toMatchObject({
    code: 'ERR_BURGEON_SHAPE',
    message: 'merges: expected no more sums than were kept, received 1, kept were 0',
  });
  await model.foldGradients({ merges: 0, keeps: true });
  expect((await model.gradient('wte.weight')).every((value) => value === 0)).toBe(true);
  await expect(model.optimizerStep({ lr: 1e-3 })).rejects.toMatchObject({
    code: 'ERR_BURGEON_SHAPE',
    message: expect.stringMatching(/^gradients: expected none kept aside, found sums that were not merged; /),
  });
  await model.accumulate(...microBatch(7));
  await model.foldGradients({ merges: 1, keeps: false });
  const folded = await model.gradient('wte.weight');
  await model.clearGradients();
  await model.forwardBackward(...microBatch(7));
  await model.forwardBackward(...microBatch(3));
  const added = await model.gradient('wte.weight');
  expect(Math.max(...folded.map((value, i) => Math.abs(value - added[i]!)))).toBeLessThan(1e-6);
  expect((await model.optimizerStep({ lr: 1e-3 })).losses).toEqual([]);
});

test('a loss that is not finite is found before the update, with the micro-batch it is of', async () => {
  using model = await Model.create(config, { seed: 1, threads: 1 });
  // The last position, which the first micro-batch has not.
  const positions = await model.parameter('wpe.weight');
  await model.setParameter('wpe.weight', positions.fill(Number.NaN, 11 * 16));
  const before = await model.parameter('wte.weight');
  const [tokens, targets] = microBatch(3);
  await model.accumulate(tokens, targets, { batchSize: 4 });
  await model.accumulate(...microBatch(7));
  await expect(model.optimizerStep({ lr: 1e-3 })).rejects.toMatchObject({
    code: 'ERR_BURGEON_NONFINITE',
    message: expect.stringMatching(
      /^micro-batch 1: loss: expected a finite number, computed NaN; the gradients were cleared/,
    ),
  });
  expect(await model.parameter('wte.weight')).toEqual(before);
  expect((await model.gradient('wte.weight')).every((value) => value === 0)).toBe(true);
  // The next update is one of nothing.
  expect((await model.optimizerStep({ lr: 1e-3 })).losses).toEqual([]);
});
