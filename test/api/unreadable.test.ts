// Arguments that throw when they are read: proxies, and getters at any place. Every public function answers with an error of burgeon's.

import { afterAll, describe, expect, test } from 'vitest';
import * as burgeon from '../../lib/index.ts';
import { smallConfig } from '../helpers/models.ts';

const throws = (): never => {
  throw new RangeError('not readable');
};

const model = await burgeon.Model.create(smallConfig({ nLayer: 1 }), { threads: 1 });
afterAll(() => model.dispose());
const schedule = new burgeon.Schedule('dense', 10);
const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
const tokens = Int32Array.of(1, 2);
const name = model.tensorNames[0]!;
const bytes = burgeon.createTokenizer({ name: 'bytes' });
const shape = { batchSize: 1, sequenceLength: 4 };
const part = { layers: 1, heads: [1], neurons: [1] };
const text = { inputs: ['none.txt'], output: 'out' };

/** With right arguments, of which each is replaced in turn. */
const calls: Record<string, readonly [call: (...args: never[]) => unknown, ...args: unknown[]]> = {
  'Model.create': [burgeon.Model.create, model.config, { threads: 1 }],
  'Model.load': [burgeon.Model.load, 'nowhere', { threads: 1 }],
  'Model.fromContents': [burgeon.Model.fromContents, model.contents(), { threads: 1 }],
  forward: [model.forward.bind(model), tokens, { subnetwork: { layerScale: 2 } }],
  forwardBackward: [model.forwardBackward.bind(model), tokens, tokens, { weight: 1 }],
  optimizerStep: [model.optimizerStep.bind(model), { lr: 1e-3, trained: {} }],
  grow: [model.grow.bind(model), { from: part, to: part, transition: 'stack' }],
  shape: [model.shape.bind(model), name],
  setParameter: [model.setParameter.bind(model), name, [1]],
  setMoment: [model.setMoment.bind(model), name, 'm', [1]],
  generate: [model.generate.bind(model), [1, 2], { maxTokens: 1 }],
  save: [model.save.bind(model), 'out'],
  Schedule: [(stages: never, steps: never) => new burgeon.Schedule(stages, steps), [{ heads: 0.5 }], 10],
  'Schedule.forTargetSaving': [burgeon.Schedule.forTargetSaving, 0.3, 100, [0.75, 0.5]],
  sampleSubnetwork: [
    burgeon.sampleSubnetwork,
    { nLayer: 2, nHead: 2, nInner: 8, rates },
    { seed: 1, step: 0, group: 0 },
  ],
  planSchedule: [burgeon.planSchedule, model.config, schedule, { sequencesPerStep: 1, sequenceLength: 4 }],
  partSubnetwork: [burgeon.partSubnetwork, part, model.config],
  countFlops: [burgeon.flops.countFlops, model.config, shape],
  parseModelConfig: [burgeon.parseModelConfig, { ...model.config }, 50],
  parseTrainConfig: [burgeon.parseTrainConfig, { model: 'gpt2-nano', steps: 1 }, 'train.yaml'],
  loadTrainConfig: [burgeon.loadTrainConfig, 'none.yaml', { set: ['steps=1'] }],
  Trainer: [
    (config: never, options: never) => new burgeon.Trainer(config, options).open(),
    { steps: 1 },
    { start: 'new' },
  ],
  prepare: [burgeon.prepare, { ...text, tokenizer: 'bytes' }],
  previewPrepare: [burgeon.previewPrepare, text],
  trainTokenizer: [burgeon.trainTokenizer, { ...text, vocabSize: 300 }],
  readManifest: [burgeon.readManifest, 'none'],
  createTokenizer: [burgeon.createTokenizer, { name: 'chars', characters: ['a'] }],
  loadTokenizer: [burgeon.loadTokenizer, 'none'],
  encode: [bytes.encode, 'a'],
  decode: [bytes.decode, [1, 2]],
  byteLength: [bytes.byteLength, [1, 2]],
  subnetworkContents: [burgeon.subnetworkContents, model.contents(), {}],
  measurePeak: [burgeon.measurePeak, 1],
};

function hostileFor(argument: unknown): [string, unknown][] {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const plain = typeof argument === 'object' && argument !== null && !ArrayBuffer.isView(argument);
  const keys = plain ? Object.keys(argument) : [];
  const getters = keys.map((key): [string, unknown] => {
    const copy: object = Array.isArray(argument) ? [...argument] : { ...(argument as object) };
    return [`a getter of ${key}`, Object.defineProperty(copy, key, { enumerable: true, get: throws })];
  });
  return [
    ['a proxy', new Proxy({}, { get: throws })],
    ['a proxy of a list', new Proxy([1], { get: throws })],
    ['a proxy without keys', new Proxy({}, { ownKeys: throws, getPrototypeOf: throws, has: throws })],
    ['a revoked proxy', revoked.proxy],
    ['no text', { toString: throws, [Symbol.toPrimitive]: throws }],
    ...getters,
  ];
}

describe.each(Object.entries(calls))('%s', (_, [call, ...args]) => {
  test.each(args.map((_, i) => i))('argument %i', async (place) => {
    for (const [what, hostile] of hostileFor(args[place])) {
      const given = args.with(place, hostile) as never[];
      const outcome = await Promise.resolve()
        .then(() => call(...given))
        .then(
          () => 'accepted',
          (error: unknown) => error,
        );
      if (what === 'no text' && outcome === 'accepted') continue; // an object like any other
      expect(outcome, what).toBeInstanceOf(burgeon.BurgeonError);
    }
  });
});
