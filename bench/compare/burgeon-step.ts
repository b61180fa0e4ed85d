// burgeon's side of steps.ts: forward, backward and AdamW of GPT-2 as the trainer does them, sampling included.
// usage: burgeon-step.ts freeze|defaults; `freeze` is one subnetwork per step, `defaults` four, each for a quarter of the
// batch; units that none of them touched then get a zero gradient instead of being left alone.

import { packageVersion } from '../../lib/addon/load.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Model } from '../../lib/model/model.ts';
import type { ModelOptions } from '../../lib/model/options.ts';
import { peakRssMB, resetPeak, respond } from './respond.ts';
import type { StepRequest } from './step-rows.ts';

const defaults = process.argv[2] === 'defaults';
let runStep: () => Promise<number>;

async function prepare({ row }: { row: StepRequest }) {
  const { layers, heads, width, sequenceLength, batchSize, vocabSize, rates, precision, threads } = row;
  const options: ModelOptions = { threads };
  if (precision !== 'fp32') options.precision = precision as string as NonNullable<ModelOptions['precision']>;
  const model = await Model.create(
    {
      architecture: 'gpt2',
      nLayer: layers,
      nHead: heads,
      nEmbd: width,
      nInner: 4 * width,
      contextLength: sequenceLength,
      vocabSize,
      layerNormEpsilon: 1e-5,
    },
    options,
  );
  const stream = Int32Array.from({ length: batchSize * sequenceLength + 1 }, (_, i) => (i * 7919) % vocabSize);
  const groups = defaults ? Math.min(4, batchSize) : 1;
  let step = 0;

  runStep = async () => {
    step++;
    const { loss } = await model.forwardBackward(stream.subarray(0, -1), stream.subarray(1), {
      batchSize,
      groups: Array.from({ length: groups }, (_, group) => ({
        sequences: batchSize / groups,
        subnetwork: sampleSubnetwork({ ...model.config, rates }, { seed: 1, step, group }),
      })),
    });
    const inactive = defaults ? 'zero-grad' : 'freeze';
    await model.optimizerStep({ lr: 1e-5, gradientClip: 1, weightDecay: 0.1, inactive });
    return loss;
  };
  return { version: `burgeon ${packageVersion}`, note: `${model.info.isa}, ${model.info.threads} threads` };
}

async function go({ steps = 1 }: { steps?: number }) {
  resetPeak();
  let loss = 0;
  const start = performance.now();
  for (let i = 0; i < steps; i++) loss = await runStep();
  return { ms: (performance.now() - start) / steps, loss, peakRssMB: peakRssMB() };
}

await respond(prepare, go);
