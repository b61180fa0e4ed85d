// Every public function, with right arguments of which one or two are replaced by something hostile.

import { join } from 'node:path';
import * as burgeon from '../../../lib/index.ts';
import { smallConfig, smallLlama } from '../../helpers/models.ts';
import type { Random } from '../random.ts';
import type { Target } from '../targets.ts';

type Call = readonly [call: (...args: never[]) => unknown, ...args: unknown[]];

const key = { seed: 1, step: 0, group: 0 };
const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
const sampler = { nLayer: 4, nHead: 4, nKvHead: 2, nInner: 32, rates, neuronBlock: 4, keepFirst: 1, choose: {} };
const gpt2 = smallConfig({ nLayer: 2 });
const llama = smallLlama();
const stages = [
  { endStep: 5, heads: 0.5, layers: { perLayer: [0.5, 1] } },
  { endFraction: 0.8, neurons: [0.5, 1], choose: { neurons: 'first' }, transition: 'stack' },
  { heads: 1 },
];
const part = { layers: 1, heads: [1, 0], neurons: [4, 0] };
const subnetwork = {
  layers: Int32Array.of(1),
  heads: [Int32Array.of(0)],
  neurons: [Int32Array.of(0, 2)],
  headScale: 1,
};
const shape = { batchSize: 2, sequenceLength: 8, subnetwork };
const training = {
  model: gpt2,
  data: { train: 'nowhere.bin', validation: 'nowhere.bin' },
  output: 'run',
  steps: 10,
  batchSize: 2,
  est: { schedule: stages },
  optimizer: { learningRate: 1e-3, warmupSteps: 2 },
};

/** Functions that need no model. */
function pureCalls(directory: string): Call[] {
  const schedule = new burgeon.Schedule('est-gpt2', 100);
  const planOptions = { sequencesPerStep: 4, sequenceLength: 8, samplerOptions: { neuronMultiple: 2 } };
  const make = (given: unknown, steps: unknown) => new burgeon.Schedule(given as never, steps as never);
  const output = join(directory, 'out');
  const text = { inputs: [join(directory, 'nothing.txt')], output };
  return [
    [burgeon.sampleSubnetwork, sampler, key],
    [burgeon.sampleSubnetwork, { ...sampler, headSampling: 'query', layerScale: 'inverse', rescale: false }, key],
    [make, stages, 20],
    [make, 'stack-4', 20],
    [(step: unknown) => schedule.at(step as never), 3],
    [burgeon.Schedule.forTargetSaving, 0.3, 100, [0.75, 0.5]],
    [burgeon.planSchedule, gpt2, schedule, planOptions],
    [burgeon.planSchedule, llama, schedule, planOptions],
    [burgeon.trainedPart, llama, schedule, {}, 3],
    [burgeon.partSubnetwork, part, gpt2],
    [burgeon.flops.countFlops, gpt2, shape],
    [burgeon.flops.countFlopsFromCounts, llama, { batchSize: 2, sequenceLength: 8, layers: 1, heads: 2, neurons: 8 }],
    [burgeon.flops.blockFlops, burgeon.flops.countFlops(gpt2, { batchSize: 1, sequenceLength: 2 })],
    [burgeon.parseModelConfig, { preset: 'gpt2-tiny', vocabSize: 50 }],
    [burgeon.parseModelConfig, llama],
    [burgeon.parseTrainConfig, training],
    [burgeon.loadTrainConfig, join(directory, 'nothing.yaml'), { set: ['steps=3'], resume: true }],
    [burgeon.readManifest, join(directory, 'nothing')],
    [burgeon.loadTokenizer, join(directory, 'nothing')],
    [burgeon.createTokenizer, { name: 'chars', characters: ['a', 'b'] }],
    [burgeon.createTokenizer, { name: 'huggingface', files: { 'tokenizer.json': '{}' } }],
    [burgeon.prepare, { ...text, tokenizer: 'bytes', validationFraction: 0.1, workers: 0, shardTokens: 1000 }],
    [burgeon.trainTokenizer, { ...text, vocabSize: 300, minFrequency: 2 }],
    [
      (config: unknown, options: unknown) => new burgeon.Trainer(config as never, options as never).open(),
      training,
      {},
    ],
    [burgeon.Model.load, join(directory, 'nothing'), { threads: 1 }],
    ...tokenizerCalls(),
  ];
}

function tokenizerCalls(): Call[] {
  const tokenizers = [
    burgeon.createTokenizer({ name: 'bytes' }),
    burgeon.createTokenizer({ name: 'gpt2' }),
    burgeon.createTokenizer({ name: 'chars', characters: ['a', 'b', 'c'] }),
  ];
  return tokenizers.flatMap((tokenizer): Call[] => [
    [tokenizer.encode, 'abc'],
    [tokenizer.decode, [0, 1, 2]],
    [tokenizer.byteLength, Int32Array.of(0, 1)],
    [tokenizer.cutPoint, 'abc'],
    [(token: number) => tokenizer.decoder().push(token), 1],
  ]);
}

/** Methods of a model, which trials share: what one leaves behind must not matter to the next. */
async function modelCalls(directory: string): Promise<Call[]> {
  const models = [await burgeon.Model.create(gpt2, { threads: 1 }), await burgeon.Model.create(llama, { threads: 1 })];
  const tokens = Int32Array.from({ length: 16 }, (_, i) => i);
  return models.flatMap((model): Call[] => {
    const name = model.tensorNames[3]!;
    const size = model.shape(name).reduce((product, n) => product * n, 1);
    const own = { layers: Int32Array.of(0), neurons: [Int32Array.of(0, 1)], layerScale: 2 };
    const bound = <Name extends keyof burgeon.Model>(method: Name) => (model[method] as () => unknown).bind(model);
    const growth = { from: part, to: burgeon.trainedPart(model.config, new burgeon.Schedule('dense', 1), {}, 0) };
    const generate = async (prompt: unknown, options: unknown) => {
      for await (const _ of model.generate(prompt as never, options as never)) break;
    };
    return [
      [bound('forward'), tokens, { batchSize: 2, targets: tokens, logits: 'all', subnetwork: own }],
      [bound('forwardBackward'), tokens, tokens, { batchSize: 2, subnetwork: own, weight: 1 }],
      [
        bound('forwardBackward'),
        tokens,
        tokens,
        { batchSize: 2, groups: [{ sequences: 1, subnetwork: own }, { sequences: 1 }] },
      ],
      [bound('optimizerStep'), { lr: 1e-3, beta1: 0.9, gradientClip: 1, inactive: 'freeze', trained: own }],
      [bound('grow'), { ...growth, transition: { layers: 'stack', width: 'split', moments: 'zero' } }],
      [bound('parameter'), name],
      [bound('setParameter'), name, new Array(size).fill(0)],
      [bound('setMoment'), name, 'm', new Float32Array(size)],
      [bound('setGradient'), name, new Float32Array(size)],
      [bound('moment'), name, 'v'],
      [bound('shape'), name],
      [bound('planBytes'), 2, 8, true],
      [bound('save'), join(directory, 'model')],
      [generate, [1, 2], { maxTokens: 2, temperature: 1, topK: 3, topP: 0.9, seed: 1, stopToken: 3, subnetwork: own }],
      [burgeon.subnetworkContents, model.contents(), own],
      [burgeon.Model.fromContents, model.contents(), { threads: 1 }],
    ];
  });
}

const creations: Call[] = [
  [burgeon.Model.create, { ...gpt2 }, { seed: 1, threads: 1, device: 'cpu', precision: 'float32' }],
  [burgeon.Model.create, 'gpt2-tiny', { threads: 1 }],
  [burgeon.measurePeak, 1],
];

async function tryCall(random: Random, [call, ...args]: Call): Promise<void> {
  const wrong = random.mutate(args, 1 + random.below(2));
  const result = await (call as (...args: unknown[]) => unknown)(...(Array.isArray(wrong) ? wrong : [wrong]));
  if (result instanceof burgeon.Model) result.dispose();
}

export const apiTrials: Record<string, Target> = {
  'public functions': {
    async open(directory) {
      const calls = pureCalls(directory);
      return (random) => tryCall(random, random.pick(calls));
    },
  },
  models: {
    async open(directory) {
      const calls = [...(await modelCalls(directory)), ...creations];
      return (random) => tryCall(random, random.pick(calls));
    },
  },
};
