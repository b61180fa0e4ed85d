// What the types of the interface accept and refuse: `npm run types` checks this file, and nothing in `refused` is run. And that
// what the types allow to be undefined counts as left out.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import type * as z from 'zod';
import * as burgeon from '../../lib/index.ts';
import {
  Model,
  type ModelConfigInput,
  Schedule,
  type TrainConfig,
  type TrainConfigInput,
  Trainer,
} from '../../lib/index.ts';
import type { trainSchema } from '../../lib/train/train-config.ts';

const least = { model: 'gpt2-tiny', output: 'runs/a', steps: 10, batchSize: 2 } as const;

/** Mistakes that an editor underlines. */
export async function refused(unknown: unknown): Promise<void> {
  // @ts-expect-error a preset that does not exist
  await Model.create('gtp2');
  // @ts-expect-error the same in a section
  await Model.create({ preset: 'gtp2', vocabSize: 256 });
  // @ts-expect-error no such field
  await Model.create({ preset: 'gpt2', layers: 12 });
  // @ts-expect-error no such device
  await Model.create('gpt2', { device: 'gpu' });
  // @ts-expect-error no keys at all
  new Trainer({});
  // @ts-expect-error data of any type go through parseTrainConfig
  new Trainer(unknown);
  // @ts-expect-error text
  new Trainer({ ...least, steps: '10' });
  // @ts-expect-error a key of another program
  new Trainer({ ...least, optimizer: { lr: 1e-3 } });
  // @ts-expect-error a schedule that does not exist
  new Trainer({ ...least, est: { schedule: 'est-gtp2' } });
  // @ts-expect-error a stage with a key that does not exist
  new Trainer({ ...least, est: { schedule: [{ endStep: 5, layer: 0.5 }, {}] } });
  // @ts-expect-error a word that does not exist
  new Trainer({ ...least, optimizer: { schedule: 'cosin' } });
  new Trainer(burgeon.parseTrainConfig(unknown));
  await Model.create(burgeon.parseModelConfig(unknown));
  new Trainer(await burgeon.loadTrainConfig('train.yaml', { set: undefined, resume: undefined }));
}

describe('the types of a configuration', () => {
  test('take what parsing gives back, and what the schema takes', () => {
    expectTypeOf<TrainConfig>().toExtend<TrainConfigInput>();
    expectTypeOf<Omit<z.input<typeof trainSchema>, 'model'>>().toExtend<Omit<TrainConfigInput, 'model'>>();
    expectTypeOf<keyof TrainConfigInput>().toEqualTypeOf<keyof z.input<typeof trainSchema>>();
    expectTypeOf<burgeon.ModelConfig>().toExtend<ModelConfigInput>();
    expectTypeOf<'gpt2-nano'>().toExtend<ModelConfigInput>();
  });

  test('take presets, literals and undefined', () => {
    const config: TrainConfigInput = {
      ...least,
      model: { preset: 'gpt2-tiny', nLayer: 3, vocabSize: undefined },
      est: { schedule: [{ endFraction: '1/2', layers: [0.5, 1], choose: 'first' }, {}] },
      optimizer: { schedule: 'wsd', minLearningRate: undefined },
      device: 'cuda:1',
      data: undefined,
    };
    expect(burgeon.parseTrainConfig(config).model).toMatchObject({ nLayer: 3, nHead: 2 });
    expect(burgeon.parseTrainConfig(burgeon.parseTrainConfig(config))).toEqual(burgeon.parseTrainConfig(config));
  });
});

describe('an option that is undefined counts as left out', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-undefined-'));
    await writeFile(path.join(directory, 'book.txt'), 'It was the best of times. '.repeat(50));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const tokens = Int32Array.from({ length: 16 }, (_, i) => i);
  const nothing = { batchSize: undefined, subnetwork: undefined };

  test('of a model', async () => {
    const make = (options: burgeon.CreateOptions) => Model.create({ preset: 'gpt2-tiny', vocabSize: 64 }, options);
    using plain = await make({});
    using same = await make({
      ...{ threads: undefined, device: undefined, precision: undefined, graphs: undefined, largestBatch: undefined },
      ...{ seed: undefined, tokenizerFiles: undefined, endOfText: undefined, profile: undefined },
    });
    const numbers = async (model: Model, isOpen: boolean) => {
      const open = <Options>(options: Options) => (isOpen ? options : ({} as Options));
      const { loss } = await model.forward(tokens, open({ ...nothing, targets: undefined, logits: undefined }));
      await model.forwardBackward(tokens, tokens, open({ ...nothing, groups: undefined, weight: undefined }));
      const names = ['beta1', 'beta2', 'epsilon', 'weightDecay', 'gradientClip', 'inactive', 'trained'] as const;
      const undefineds = Object.fromEntries(names.map((name) => [name, undefined]));
      const { gradientNorm } = await model.optimizerStep({ lr: 1e-2, ...open(undefineds) });
      const generated = [];
      const sampling = { temperature: undefined, topK: undefined, topP: undefined, seed: undefined };
      const limits = { sequenceLength: undefined, stopToken: undefined, signal: undefined, subnetwork: undefined };
      for await (const token of model.generate([1, 2], open({ ...sampling, ...limits, maxTokens: undefined })))
        generated.push(token);
      return { loss, gradientNorm, generated };
    };
    const expected = await numbers(plain, false);
    expect(await numbers(same, true)).toEqual(expected);
    expect(expected.generated).toHaveLength(100);
  });

  test('of subnetworks and schedules', () => {
    const model = burgeon.parseModelConfig({ preset: 'gpt2-tiny', vocabSize: 64 });
    const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
    const sampler = {
      ...{ neuronMultiple: undefined, neuronBlock: undefined, headSampling: undefined, keepFirst: undefined },
      ...{ keepLast: undefined, layerScale: undefined },
    };
    const key = { seed: 1, step: 0, group: 0 };
    const choose = { heads: undefined, neurons: undefined, layers: undefined };
    expect(burgeon.sampleSubnetwork({ ...model, rates, ...sampler, rescale: undefined, choose }, key)).toEqual(
      burgeon.sampleSubnetwork({ ...model, rates }, key),
    );
    const transition = {
      ...{ layers: undefined, width: undefined, moments: undefined, warmupSteps: undefined, warmupFrom: undefined },
    };
    const stage = {
      ...{
        endFraction: undefined,
        heads: undefined,
        neurons: undefined,
        layers: undefined,
        choose,
        rescale: undefined,
      },
      ...{ keepFirst: undefined, keepLast: undefined, groupsPerStep: undefined, batchSize: undefined, transition },
    };
    const schedule = new Schedule([{ ...stage, endStep: 5, layers: 0.5, transition: undefined }, stage], 10);
    const plain = new Schedule(
      [
        { endStep: 5, layers: 0.5, choose: {} },
        { choose: {}, transition: {} },
      ],
      10,
    );
    expect(schedule.stages).toEqual(plain.stages);
    const size = { sequencesPerStep: 2, sequenceLength: 16 };
    expect(burgeon.planSchedule(model, schedule, { ...size, samplerOptions: sampler })).toEqual(
      burgeon.planSchedule(model, plain, size),
    );
    const shape = { batchSize: 1, sequenceLength: 16 };
    expect(burgeon.flops.countFlops(model, { ...shape, subnetwork: undefined, backward: undefined })).toEqual(
      burgeon.flops.countFlops(model, shape),
    );
    const all = { layers: undefined, heads: undefined, queryHeads: undefined, neurons: undefined };
    expect(burgeon.flops.countFlops(model, { ...shape, subnetwork: all })).toEqual(
      burgeon.flops.countFlops(model, shape),
    );
  });

  test('of a run', async () => {
    const at = (name: string) => path.join(directory, name);
    const manifest = await burgeon.prepare({
      ...{ inputs: [at('book.txt')], output: at('data'), tokenizer: 'chars', validationFraction: undefined },
      ...{ delimiter: undefined, textColumn: undefined, dropNearDuplicates: undefined, shardTokens: undefined },
      ...{ name: undefined, workers: undefined, signal: undefined, onProgress: undefined },
    });
    expect(manifest.splits.validation).toBeDefined();
    const config = { ...least, data: { directory: at('data') }, output: at('run'), steps: 1, log: { peakFlops: 1e11 } };
    const options = { start: undefined, changes: undefined, signal: undefined, bigramBaseline: undefined };
    await using trainer = new Trainer(config, { ...options, onNote: undefined, onLine: undefined });
    for await (const { step } of trainer.run()) expect(step).toBe(1);
  });
});
