// Evaluation: the mean over targets, whatever the batches, and nothing of the model changes.

import { describe, expect, test } from 'vitest';
import type { FixedBatch } from '../../lib/data/fixed-windows.ts';
import { Model } from '../../lib/model/model.ts';
import { evaluate } from '../../lib/train/evaluator.ts';
import { allGradients, allParameters, fingerprints, randomBatch, smallConfig } from '../helpers/models.ts';

const config = smallConfig();

async function* batchesOf(...shapes: [batchSize: number, sequenceLength: number][]): AsyncGenerator<FixedBatch> {
  for (const [batchSize, sequenceLength] of shapes) {
    yield { ...randomBatch(config, batchSize, sequenceLength, batchSize), batchSize, sequenceLength };
  }
}

describe('evaluate', () => {
  test('weighs batches by their targets', async () => {
    using model = await Model.create(config, { threads: 1 });
    const shapes: [number, number][] = [
      [4, 16],
      [1, 3],
    ];
    const losses: number[] = [];
    for await (const { tokens, targets, batchSize } of batchesOf(...shapes)) {
      losses.push((await model.forward(tokens, { targets, batchSize })).loss);
    }
    const counts: number[] = [];
    const result = await evaluate(model, batchesOf(...shapes), { onBatch: (tokens) => counts.push(tokens) });
    expect(result.loss).toBeCloseTo((64 * losses[0]! + 3 * losses[1]!) / 67, 12);
    expect(result.tokens).toBe(67);
    expect(counts).toEqual([64, 67]);
  });

  test('leaves weights and gradients alone', async () => {
    using model = await Model.create(config, { threads: 1 });
    const { tokens, targets } = randomBatch(config, 2, 16);
    await model.forwardBackward(tokens, targets, { batchSize: 2 });
    const state = async () => [fingerprints(await allParameters(model)), fingerprints(await allGradients(model))];
    const before = await state();
    await evaluate(model, batchesOf([3, 16]));
    expect(await state()).toEqual(before);
  });

  test('stops between batches when told to, with the mean so far', async () => {
    using model = await Model.create(config, { threads: 1 });
    const controller = new AbortController();
    const onBatch = () => controller.abort();
    const stopped = await evaluate(model, batchesOf([4, 16], [1, 3]), { signal: controller.signal, onBatch });
    expect(stopped).toMatchObject({ tokens: 64, isPartial: true });
    expect(stopped.loss).toBe((await evaluate(model, batchesOf([4, 16]))).loss);
    // One that was at its end anyway is whole.
    expect(await evaluate(model, batchesOf([4, 16]), { signal: controller.signal })).not.toHaveProperty('isPartial');
  });

  test('refuses a loss that is not finite', async () => {
    using model = await Model.create(config, { threads: 1 });
    await model.setParameter('ln_f.bias', new Float32Array(config.nEmbd).fill(Number.NaN));
    await expect(evaluate(model, batchesOf([1, 4]))).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: expect.stringContaining('evaluation loss: expected a finite number'),
    });
  });
});
