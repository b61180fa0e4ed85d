// npm run bench -- tinyllama: does `plan` know how much memory training takes? Two layers of TinyLlama's true width train
// for four steps, sampled and complete, and the peak of the process is compared with the estimate.

import { parseModelConfig } from '../../lib/config/model-config.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Model } from '../../lib/model/model.ts';
import { planMemory } from '../../lib/model/native-options.ts';

const batchSize = 2;
const sequenceLength = 256;

export async function benchTinyLlama(): Promise<void> {
  const config = parseModelConfig({ preset: 'tinyllama-1.1b', nLayer: 2 });
  const before = process.memoryUsage().rss;
  using model = await Model.create(config);
  const tokens = Int32Array.from({ length: batchSize * sequenceLength }, (_, i) => (i * 7919) % config.vocabSize);
  for (let step = 0; step < 4; step++) {
    const rate = step < 2 ? 0.5 : 1;
    const rates = { heads: rate, neurons: rate, layers: rate };
    const subnetwork = sampleSubnetwork({ ...config, rates }, { seed: 1, step, group: 0 });
    const start = performance.now();
    const { loss } = await model.forwardBackward(tokens, tokens, { batchSize, subnetwork });
    await model.optimizerStep({ lr: 3e-4, gradientClip: 1 });
    console.log(`step ${step + 1}, rate ${rate}: loss ${loss.toFixed(3)}, ${Math.round(performance.now() - start)} ms`);
  }
  const planned = planMemory(config, batchSize, sequenceLength).total;
  const peak = process.resourceUsage().maxRSS * 1024;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  console.log(
    `planned ${gigabytes(planned)}; peak of the process ${gigabytes(peak)}, ${gigabytes(before)} of it before the model; ` +
      `planned / peak ${(planned / peak).toFixed(3)}`,
  );
}
