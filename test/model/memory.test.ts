// The estimate that `plan` prints against what the engine allocates.
import { describe, expect, it } from 'vitest';
import { estimateMemory } from '../../lib/est/memory.ts';
import { Model } from '../../lib/model/model.ts';
import { smallConfig, smallLlama } from '../helpers/models.ts';

describe('memory estimate', () => {
  it.each([
    [smallConfig({ nLayer: 6, nHead: 6, nEmbd: 192, nInner: 768, contextLength: 128, vocabSize: 256 }), 16, 128],
    [smallConfig({ nLayer: 2, nHead: 4, nEmbd: 128, nInner: 300, contextLength: 256, vocabSize: 50257 }), 4, 256],
    [
      smallLlama({ nLayer: 4, nHead: 8, nKvHead: 2, headSize: 32, nEmbd: 256, nInner: 704, contextLength: 128 }),
      8,
      128,
    ],
    [smallLlama({ nLayer: 2, tiedHead: true, vocabSize: 32000, contextLength: 256, attentionBias: true }), 8, 256],
    [smallConfig({ nLayer: 12, nHead: 12, nEmbd: 384, nInner: 1536, contextLength: 64, vocabSize: 1000 }), 2, 64],
  ])('is within 5 %% and the scratch of a few threads of the plan', async (config, batchSize, sequenceLength) => {
    using model = await Model.create(config, { threads: 1 });
    const estimate = estimateMemory(config, { batchSize, sequenceLength });
    const activations = estimate.activations + estimate.backwardBuffers + estimate.logits;
    const planned = model.planBytes(batchSize, sequenceLength);
    expect(Math.abs(activations - planned)).toBeLessThan(0.05 * planned + 2 ** 20);
    const parameters = estimate.weights + estimate.gradients + estimate.moments;
    expect(Math.abs(parameters - model.info.parameterBytes)).toBeLessThan(0.01 * parameters);
  });
});
