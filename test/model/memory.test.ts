// What is planned is what is allocated, and what does not fit is refused before.
import { describe, expect, it } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { planMemory } from '../../lib/model/native-options.ts';
import { smallConfig, smallLlama } from '../helpers/models.ts';

describe('planned memory', () => {
  it.each([
    [smallConfig({ nLayer: 6, nHead: 6, nEmbd: 192, nInner: 768, contextLength: 128, vocabSize: 256 }), 3, 128],
    [smallLlama({ nLayer: 2, nHead: 8, nKvHead: 2, headSize: 8, nEmbd: 64, nInner: 176, contextLength: 32 }), 5, 31],
  ])('is what training allocates', async (config, batchSize, sequenceLength) => {
    const options = { device: 'cpu', threads: 2 } as const;
    const { total, ...parts } = planMemory(config, batchSize, sequenceLength, options);
    using model = await Model.create(config, options);
    expect(parts.weights + parts.gradients + parts.moments + parts.slots).toBe(model.info.parameterBytes);
    const tokens = new Int32Array(batchSize * sequenceLength);
    await model.forwardBackward(tokens, tokens, { batchSize });
    expect(model.info.parameterBytes + model.info.activationBytes).toBe(total);
    expect(parts.deviceName).toBe('this machine');
  });

  it.each([0, 1, 2])('of rank %i of 3 is less by what the others keep', async (rank) => {
    const config = smallConfig({ nLayer: 2, nHead: 6, nEmbd: 192, nInner: 768, contextLength: 128, vocabSize: 256 });
    const options = { device: 'cpu', threads: 1, shard: { rank, size: 3 } } as const;
    const whole = planMemory(config, 2, 16, { ...options, shard: undefined });
    const { weights, gradients, moments, slots } = planMemory(config, 2, 16, options);
    using model = await Model.create(config, options);
    expect(weights + gradients + moments + slots).toBe(model.info.parameterBytes);
    expect({ weights, gradients, slots }).toEqual({
      weights: whole.weights,
      gradients: whole.gradients,
      slots: whole.slots,
    });
    // A third, to a block of each tensor.
    expect(moments / whole.moments).toBeGreaterThan(0.3);
    expect(moments / whole.moments).toBeLessThan(0.37);
  });

  it('beyond the machine is refused before anything is allocated, with the number that fits', async () => {
    const config = smallConfig({ nLayer: 1, nHead: 1, nEmbd: 1, nInner: 1_048_576, contextLength: 64 });
    const options = { device: 'cpu', threads: 1 } as const;
    const [batchSize, sequenceLength] = [2 ** 20, 64];
    const before = process.memoryUsage().rss;
    const error = await Model.create(config, { ...options, largestBatch: { batchSize, sequenceLength } }).catch(
      (e) => e,
    );
    expect(error).toMatchObject({ code: 'ERR_BURGEON_OUT_OF_MEMORY' });
    expect(error.message).toMatch(
      /^activations need .* for 1048576 sequences of 64 tokens beside .*, this machine has /,
    );
    const fitting = Number(/the most sequences of 64 tokens that fit at a time are (\d+);/.exec(error.message)![1]);
    const { capacity } = planMemory(config, 1, sequenceLength, options);
    expect(planMemory(config, fitting, sequenceLength, options).total).toBeLessThanOrEqual(capacity);
    expect(planMemory(config, fitting + 1, sequenceLength, options).total).toBeGreaterThan(capacity);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  });

  it('that not even one sequence fits in says so', async () => {
    const config = smallConfig({ nLayer: 1, nHead: 1, nEmbd: 1, nInner: 2 ** 20, contextLength: 2 ** 20 });
    const largestBatch = { batchSize: 1, sequenceLength: 2 ** 20 };
    await expect(Model.create(config, { device: 'cpu', largestBatch })).rejects.toThrow(
      'not even one sequence of 1048576 tokens fits; use a smaller model, batch size or sequence length',
    );
  });
});
