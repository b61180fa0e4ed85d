// Memory of a CUDA device, or of kernels on the host: what is planned is what is allocated, and a run beyond it is refused.
import { describe, expect, it } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { planMemory } from '../../lib/model/native-options.ts';
import { burgeon } from '../helpers/cli.ts';
import { smallConfig, smallLlama } from '../helpers/models.ts';

describe.skipIf(!process.env.BURGEON_CUDA_LIBRARY)('memory of a CUDA device', () => {
  it.each([
    [smallConfig({ nLayer: 3, nHead: 2, nEmbd: 64, nInner: 128, contextLength: 16, vocabSize: 80 }), 'bf16'],
    [smallLlama({ nLayer: 2, nHead: 4, nKvHead: 2, headSize: 8, nEmbd: 32, nInner: 44, contextLength: 16 }), 'float32'],
  ] as const)('is what training allocates', async (config, precision) => {
    const options = { device: 'cuda', precision } as const;
    const plan = planMemory(config, 3, 16, options);
    using model = await Model.create(config, options);
    const tokens = new Int32Array(3 * 16);
    await model.forwardBackward(tokens, tokens, { batchSize: 3 });
    await model.optimizerStep({ lr: 1e-3 });
    expect(model.info.parameterBytes + model.info.activationBytes).toBe(plan.total);
    expect(plan.weights + plan.gradients + plan.moments + plan.slots).toBe(model.info.parameterBytes);
    expect(plan.capacity).toBeGreaterThan(2 ** 30);
  });

  it('is refused where it is too little, with what fits', async () => {
    const config = smallConfig({
      nLayer: 12,
      nHead: 12,
      nEmbd: 768,
      nInner: 3072,
      contextLength: 1024,
      vocabSize: 50304,
    });
    const largestBatch = { batchSize: 4096, sequenceLength: 1024 };
    await expect(Model.create(config, { device: 'cuda', largestBatch })).rejects.toThrow(
      /^activations need .* for 4096 sequences of 1024 tokens beside .* that fit at a time are \d+; use a smaller model/,
    );
  });

  it('is planned without a device', async () => {
    const args = ['plan', '--model', 'gpt2', '--batch-size', '64', '--sequence-length', '1024', '--device', 'cuda'];
    const { code, stdout } = await burgeon(args, { env: { BURGEON_CUDA_HOST_DEVICES: '0', CUDA_VISIBLE_DEVICES: '' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^memory of cuda:0\n/m);
    expect(stdout).toMatch(/^ +activations +[\d.]+ GiB of 64 sequences at a time$/m);
    expect(stdout).toMatch(/^ +there is +no such device here$/m);
  });
});
