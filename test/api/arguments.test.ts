// Wrong arguments of public functions: an error that names the argument, never a TypeError, a hang or a wrong answer.

import { describe, it } from 'vitest';
import * as burgeon from '../../lib/index.ts';
import { smallConfig } from '../helpers/models.ts';
import { expectMistake } from '../model/mistakes.ts';

const model = smallConfig();
const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
const sampler = { nLayer: 4, nHead: 4, nInner: 32, rates };
const key = { seed: 1, step: 0, group: 0 };
const schedule = new burgeon.Schedule('est-gpt2', 100);
const plan = { sequencesPerStep: 4, sequenceLength: 8 };
const prepare = { inputs: ['a.txt'], output: 'out', tokenizer: 'bytes' };

type Case = readonly [call: (argument: never) => unknown, argument: unknown, message: string];

const cases: Record<string, readonly Case[]> = {
  sampleSubnetwork: [
    ...(
      [
        [{ nHead: 2.5 }, 'nHead: expected an integer from 1 to 1024, received 2.5'],
        [{ nHead: 0 }, 'nHead: expected an integer from 1 to 1024, received 0'],
        [{ nHead: '2' }, 'nHead: expected an integer from 1 to 1024, received "2"'],
        [{ nKvHead: 3 }, 'nKvHead: expected a divisor of the 4 query heads, received 3'],
        [{ nLayer: NaN }, 'nLayer: expected an integer from 1 to 1024, received NaN'],
        [{ nLayer: 1e9 }, 'nLayer: expected an integer from 1 to 1024, received 1000000000'],
        [{ nInner: Infinity }, 'nInner: expected an integer from 1 to 1048576, received Infinity'],
        [{ rates: { ...rates, layers: NaN } }, 'rates.layers: expected a number above 0 and at most 1, received NaN'],
        [{ rates: { ...rates, heads: '0.5' } }, 'rates.heads: expected a number above 0 and at most 1, received "0.5"'],
        [{ rates: undefined }, 'rates.heads: expected a number above 0 and at most 1, received nothing'],
      ] as const
    ).map(
      ([change, message]): Case => [
        (config) => burgeon.sampleSubnetwork(config, key),
        { ...sampler, ...change },
        message,
      ],
    ),
    [(config) => burgeon.sampleSubnetwork(config, key), undefined, 'config: expected an object, received nothing'],
    [(drawKey) => burgeon.sampleSubnetwork(sampler, drawKey), 7, 'key: expected an object, received 7'],
  ],
  readManifest: [
    [burgeon.readManifest, undefined, 'directory: expected the path of a data set, received nothing'],
    [burgeon.readManifest, 7, 'directory: expected the path of a data set, received 7'],
    [burgeon.readManifest, { path: 'x' }, 'directory: expected the path of a data set, received {"path":"x"}'],
  ],
  loadTokenizer: [
    [burgeon.loadTokenizer, undefined, 'path: expected the path of a tokenizer, received nothing'],
    [burgeon.loadTokenizer, ['x'], 'path: expected the path of a tokenizer, received ["x"]'],
    [burgeon.loadTokenizer, Symbol('x'), 'path: expected the path of a tokenizer, received Symbol(x)'],
  ],
  planSchedule: [
    [(given) => burgeon.planSchedule(given, schedule, plan), null, 'model: expected an object, received null'],
    [(given) => burgeon.planSchedule(given, schedule, plan), { ...model, nLayer: 1e9 }, 'model.nLayer: expected an'],
    [
      (given) => burgeon.planSchedule(model, given, plan),
      'est-gpt2',
      'schedule: expected a Schedule, received "est-gpt2"',
    ],
    [
      (given) => burgeon.planSchedule(model, schedule, given),
      undefined,
      'options: expected an object, received nothing',
    ],
    [
      (given) => burgeon.planSchedule(model, schedule, given),
      { ...plan, sequenceLength: '8' },
      'options.sequenceLength: ',
    ],
  ],
  Schedule: [
    [(steps) => new burgeon.Schedule('dense', steps), 1n, 'schedule: expected a run of at least 1 step, received 1'],
    [(steps) => new burgeon.Schedule('dense', steps), Symbol('x'), 'at least 1 step, received Symbol(x)'],
    [(stages) => new burgeon.Schedule(stages, 10), { heads: 1 }, 'or a list of stages, received {"heads":1}'],
    [(stages) => new burgeon.Schedule(stages, 10), [{ endStep: Symbol('x') }], 'received Symbol(x)'],
    [(step) => schedule.at(step), Symbol('x'), 'schedule: expected a step from 0 to 99, received Symbol(x)'],
    [(share) => burgeon.Schedule.forTargetSaving(share, 10), '0.3', 'received "0.3"'],
  ],
  Model: [
    [(given) => burgeon.Model.fromContents(given), undefined, 'contents: expected what Model.contents() gives'],
    [(given) => burgeon.Model.fromContents(given), { model }, 'contents.tokenizerFiles: expected an object'],
    [
      (given) => burgeon.Model.fromContents(given),
      { model, tokenizerFiles: {} },
      'contents.readTensor: expected a function',
    ],
    [
      (given) => burgeon.Model.fromContents(given),
      { model: { ...model, nHead: 3 } },
      'nHead: expected a divisor of nEmbd',
    ],
    [(given) => burgeon.Model.load(given), undefined, 'directory: expected the path of a model, received nothing'],
    [(given) => burgeon.Model.load('x', given), 'cpu', 'options of Model.load(): expected an object, received "cpu"'],
    [(given) => burgeon.subnetworkContents(given, {}), null, 'contents: expected what Model.contents() gives'],
  ],
  flops: [
    [(given) => burgeon.flops.countFlops(given, { batchSize: 1, sequenceLength: 1 }), {}, 'model.nLayer: expected'],
    [(given) => burgeon.flops.countFlops(model, given), { batchSize: NaN, sequenceLength: 1 }, 'batchSize: expected'],
    [(given) => burgeon.flops.blockFlops(given), undefined, 'FLOPs: expected an object, received nothing'],
    [(given) => burgeon.trainedPart(model, given, {}, 0), [], 'schedule: expected a Schedule, received []'],
    [
      (given) => burgeon.trainedPart(given, schedule, {}, 0),
      { ...model, nKvHead: 3 },
      'model.nKvHead: expected a divisor',
    ],
  ],
  'data and runs': [
    [burgeon.prepare, undefined, 'options: expected an object, received nothing'],
    [burgeon.prepare, { ...prepare, inputs: 'a.txt' }, 'inputs: expected a list of strings, received "a.txt"'],
    [burgeon.prepare, { ...prepare, output: undefined }, 'output: expected the path of a directory to write'],
    [burgeon.prepare, { ...prepare, signal: {} }, 'signal: expected an AbortSignal, received {}'],
    [burgeon.prepare, { ...prepare, name: Symbol('x') }, 'as it begins file names, received Symbol(x)'],
    [burgeon.trainTokenizer, null, 'options: expected an object, received null'],
    [burgeon.trainTokenizer, { ...prepare, vocabSize: 300, inputs: [7] }, 'inputs[0]: expected a string, received 7'],
    [burgeon.loadTrainConfig, undefined, 'file: expected the path of a configuration, received nothing'],
    [(given) => burgeon.loadTrainConfig('x', given), { set: 'a=1' }, 'options.set: expected a list of strings'],
    [
      (given) => new burgeon.Trainer({} as never, given),
      null,
      'options of new Trainer(): expected an object, received null',
    ],
    [burgeon.measurePeak, '2', 'threads: expected an integer of at least 1, received "2"'],
  ],
  tokenizers: (['bytes', 'gpt2'] as const).flatMap((name): Case[] => {
    const tokenizer = burgeon.createTokenizer({ name });
    return [
      [tokenizer.encode, undefined, 'text: expected a string, received nothing'],
      [tokenizer.encode, ['a'], 'text: expected a string, received ["a"]'],
      [tokenizer.decode, 7, 'tokens: expected a list of token numbers, received 7'],
      [tokenizer.decode, [1, '2'], 'tokens[1]: expected a number, received "2"'],
      [tokenizer.decode, BigInt64Array.of(1n), 'tokens[0]: expected a number, received 1'],
      [tokenizer.decoder().push, Symbol('x'), 'token: expected a number, received Symbol(x)'],
      [tokenizer.byteLength, {}, 'tokens: expected a list of token numbers, received {}'],
    ];
  }),
};

describe.each(Object.entries(cases))('%s', (_, mistakes) => {
  it.each(mistakes)('%o refuses %o', async (call, argument, message) => {
    await expectMistake(() => call(argument as never), 'ERR_BURGEON_CONFIG', message);
  });
});
