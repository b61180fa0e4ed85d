import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BurgeonErrorCode } from '../../lib/errors.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import { allGradients, allParameters, fingerprints, randomBatch, smallConfig } from '../helpers/models.ts';
import { expectMistake, int, outOfBounds } from './mistakes.ts';

const config = smallConfig({ nLayer: 2 });
const batchSize = 2;
const { tokens, targets } = randomBatch(config, batchSize, 16);

/** A call that is wrong, the code it must fail with, and what the message must hold. */
type Mistake = [name: string, call: (model: Model) => unknown, code: BurgeonErrorCode, message: string];

function withValues(data: Int32Array, changes: Record<number, number>): Int32Array {
  const copy = data.slice();
  for (const [i, value] of Object.entries(changes)) copy[Number(i)] = value;
  return copy;
}

function detach<Data extends Int32Array | Float32Array>(data: Data): Data {
  structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
  return data;
}

const tokenMistakes: Mistake[] = [
  ...(
    [
      ['an array', [1, 2, 3], '[object Array]'],
      ['a Uint16Array', new Uint16Array(16), '[object Uint16Array]'],
      ['a Float32Array', new Float32Array(16), '[object Float32Array]'],
      ['a BigInt64Array', new BigInt64Array(16), '[object BigInt64Array]'],
      ['a buffer', new ArrayBuffer(64), '[object ArrayBuffer]'],
      ['nothing', undefined, 'undefined'],
      ['null', null, 'null'],
      ['text', 'to be', '"to be"'],
      ['a symbol', Symbol('tokens'), 'Symbol(tokens)'],
      ['a proxy', new Proxy(new Int32Array(16), {}), '[object Object]'],
      ['an impostor', Object.create(Int32Array.prototype), '[object Object]'],
    ] as [string, never, string][]
  ).map(
    ([name, value, came]): Mistake => [
      `tokens: ${name}`,
      (model) => model.forward(value),
      'ERR_BURGEON_DTYPE',
      `tokens: expected an Int32Array, received ${came}`,
    ],
  ),
  ...[Number.NaN, -1, 0, 1.5, 3, 33, Infinity, 2 ** 53, '2', 2n, Symbol('B'), {}, null].map(
    (value): Mistake => [
      `batchSize: ${String(value)}`,
      (model) => model.forward(tokens, { batchSize: value as never }),
      'ERR_BURGEON_SHAPE',
      'tokens: expected batchSize sequences of equal length, received 32 tokens with batchSize',
    ],
  ),
  ...[int(), detach(int(1)), outOfBounds()].map(
    (empty, i): Mistake => [
      `tokens: none (${['empty', 'detached', 'out of bounds'][i]})`,
      (model) => model.forward(empty),
      'ERR_BURGEON_SHAPE',
      'received 0 tokens with batchSize 1',
    ],
  ),
  [
    'tokens: more than the context',
    (model) => model.forward(new Int32Array(17)),
    'ERR_BURGEON_SHAPE',
    "1 <= T <= 16 (the model's context length), received (B=1, T=17)",
  ],
  ...[-1, 61, 2 ** 31 - 1, -(2 ** 31)].map(
    (token): Mistake => [
      `tokens: ${token}`,
      (model) => model.forward(withValues(tokens, { 5: token }), { batchSize }),
      'ERR_BURGEON_DATA',
      `tokens[5]: expected a token in [0, 61), received ${token}`,
    ],
  ),
];

const targetMistakes: Mistake[] = [
  ...[-2, 61].map(
    (token): Mistake => [
      `targets: ${token}`,
      (model) => model.forward(tokens, { batchSize, targets: withValues(targets, { 31: token }) }),
      'ERR_BURGEON_DATA',
      `targets[31]: expected a token in [-1, 61), received ${token}`,
    ],
  ),
  [
    'targets: none that counts',
    (model) => model.forwardBackward(tokens, new Int32Array(32).fill(-1), { batchSize }),
    'ERR_BURGEON_DATA',
    'targets: expected at least one target that is not -1, received none',
  ],
  [
    'targets: too few',
    (model) => model.forwardBackward(tokens, targets.subarray(1), { batchSize }),
    'ERR_BURGEON_SHAPE',
    'targets: expected an Int32Array of length 32, received length 31',
  ],
  [
    'targets: detached',
    (model) => model.forwardBackward(tokens, detach(int(1)), { batchSize }),
    'ERR_BURGEON_SHAPE',
    'targets: expected an Int32Array of length 32, received length 0',
  ],
  ...(
    [
      [undefined, 'undefined'],
      [null, 'null'],
      [[...targets], 'an array'],
      [new Uint32Array(32), 'another typed array'],
      [{ batchSize }, 'an object'],
    ] as [never, string][]
  ).map(
    ([value, came]): Mistake => [
      `targets: ${came}`,
      (model) => model.forwardBackward(tokens, value, { batchSize }),
      'ERR_BURGEON_DTYPE',
      `targets: expected an Int32Array of length 32, received ${came}`,
    ],
  ),
];

const optionMistakes: Mistake[] = [
  ...[null, 5, 'all', targets, [], () => {}].map(
    (value): Mistake => [
      `options: ${Object.prototype.toString.call(value)}`,
      (model) => model.forward(tokens, value as never),
      'ERR_BURGEON_CONFIG',
      'options of forward(): expected an object, received ',
    ],
  ),
  [
    'optimizer options: nothing',
    (model) => model.optimizerStep(undefined as never),
    'ERR_BURGEON_CONFIG',
    'options of optimizerStep(): expected an object, received nothing',
  ],
  ...['first', 1, true].map(
    (logits): Mistake => [
      `logits: ${logits}`,
      (model) => model.forward(tokens, { batchSize, logits: logits as never }),
      'ERR_BURGEON_CONFIG',
      `logits: expected 'last' or 'all', received ${JSON.stringify(logits)}`,
    ],
  ),
  ...[Number.NaN, Infinity, '1', {}].map(
    (value): Mistake => [
      `weight: ${value}`,
      (model) => model.forwardBackward(tokens, targets, { batchSize, weight: value as never }),
      'ERR_BURGEON_CONFIG',
      'weight: expected a finite number, received',
    ],
  ),
  subnetworkMistake('a mistyped key', { head: [] }, 'ERR_BURGEON_CONFIG', '.head: unknown key; did you mean heads?'),
  subnetworkMistake('a foreign key', { seed: 1 }, 'ERR_BURGEON_CONFIG', '.seed: unknown key'),
  ...(['layerScale', 'headScale', 'neuronScale'] as const).flatMap((name) => [
    ...[Number.NaN, [1, Infinity], [1, '?']].map((value) =>
      subnetworkMistake(`${name} ${value}`, { [name]: value }, 'ERR_BURGEON_SHAPE', `.${name}[`),
    ),
    subnetworkMistake(
      `${name} short`,
      { [name]: [1] },
      'ERR_BURGEON_SHAPE',
      `.${name}: expected one factor per active layer (2), received 1`,
    ),
    ...['1', {}, null, () => 1].map((value) =>
      subnetworkMistake(
        `${name} ${value}`,
        { [name]: value },
        'ERR_BURGEON_DTYPE',
        `.${name}: expected a number, or one for each active layer, received`,
      ),
    ),
  ]),
  ...(
    [
      ['lr', undefined, 'a number >= 0, received undefined'],
      ['lr', Number.NaN, 'a number >= 0, received the number NaN'],
      ['lr', -1, 'a number >= 0, received the number -1'],
      ['lr', '1e-3', 'a number >= 0, received a string'],
      ['beta1', 1, 'a number in [0, 1), in float32, received the number 1'],
      ['beta2', -0.1, 'a number in [0, 1), in float32, received the number -0.1'],
      ['epsilon', 0, 'a number > 0, in float32, received the number 0'],
      ['epsilon', 1e-50, 'a number > 0, in float32, received the number 1e-50'],
      ['beta2', 1 - 1e-12, 'a number in [0, 1), in float32, received the number 0.999999999999'],
      ['weightDecay', Infinity, 'a number >= 0, received the number Infinity'],
      ['gradientClip', -1, 'a number >= 0, received the number -1'],
      ['inactive', 'keep', `'zero-grad' or 'freeze', received "keep"`],
    ] as const
  ).map(
    ([name, value, message]): Mistake => [
      `${name}: ${value}`,
      (model) => model.optimizerStep({ lr: 1e-3, [name]: value } as never),
      'ERR_BURGEON_CONFIG',
      `${name}: expected ${message}`,
    ],
  ),
  [
    'optimizerSteps: fractional',
    async (model) => {
      model.optimizerSteps = 0.5;
      try {
        await model.optimizerStep({ lr: 1e-3 });
      } finally {
        model.optimizerSteps = 0;
      }
    },
    'ERR_BURGEON_CONFIG',
    'optimizerSteps + 1: expected an integer',
  ],
];

function subnetworkMistake(name: string, subnetwork: unknown, code: BurgeonErrorCode, message: string): Mistake {
  return [
    `subnetwork: ${name}`,
    (model) => model.forwardBackward(tokens, targets, { batchSize, subnetwork: subnetwork as Subnetwork }),
    code,
    `subnetwork${message}`,
  ];
}

const groupMistakes: Mistake[] = (
  [
    [
      'beside a subnetwork',
      [{ sequences: batchSize }],
      'CONFIG',
      ': expected instead of subnetwork, received beside it',
    ],
    ['an object', { sequences: batchSize }, 'SHAPE', ': expected an array of groups of sequences, received an object'],
    ['a string', 'all', 'SHAPE', ': expected an array of groups of sequences, received a string'],
    ['none', [], 'SHAPE', `: expected at least one, and at most one for each of ${batchSize} sequences, received 0`],
    ['four billion', new Array(2 ** 32 - 1), 'SHAPE', ': expected at least one, and at most one for each of'],
    ['a hole', new Array(1), 'CONFIG', '[0]: expected an object, received undefined'],
    ['a number', [batchSize], 'CONFIG', '[0]: expected an object, received the number'],
    ['no sequences', [{}], 'CONFIG', '[0].sequences: expected an integer'],
    ['zero sequences', [{ sequences: 0 }], 'CONFIG', `[0].sequences: expected an integer in [1, ${batchSize}]`],
    ['half a sequence', [{ sequences: 0.5 }], 'CONFIG', `[0].sequences: expected an integer in [1, ${batchSize}]`],
    [
      'too few',
      [{ sequences: 1 }],
      'SHAPE',
      `: expected ${batchSize} sequences together, as many as the batch has, received 1`,
    ],
    [
      'too many',
      [{ sequences: batchSize }, { sequences: 1 }],
      'SHAPE',
      `: expected ${batchSize} sequences together, as many as the batch has, received ${batchSize + 1}`,
    ],
    [
      'a bad list',
      [{ sequences: batchSize, subnetwork: { layers: int(0, 2) } }],
      'SHAPE',
      '[0].subnetwork.layers[1]: expected an index in [0, 2), received 2',
    ],
    [
      'no list',
      [{ sequences: batchSize, subnetwork: { layers: [0] } }],
      'DTYPE',
      '[0].subnetwork.layers: expected an Int32Array, received an array',
    ],
    [
      'a subnetwork that is none',
      [{ sequences: batchSize, subnetwork: 5 }],
      'CONFIG',
      '[0].subnetwork: expected an object',
    ],
  ] as const
).map(([name, groups, code, message]) => [
  `groups: ${name}`,
  (model) => {
    const subnetwork = name === 'beside a subnetwork' ? {} : undefined;
    return model.forwardBackward(tokens, targets, { batchSize, subnetwork, groups: groups as never });
  },
  `ERR_BURGEON_${code}`,
  `groups${message}`,
]);

const subnetworkMistakes: Mistake[] = [
  ...([5, 'all', true, [], int(0), () => {}, Symbol('s')] as unknown[]).map((value) =>
    subnetworkMistake(
      Object.prototype.toString.call(value),
      value,
      'ERR_BURGEON_CONFIG',
      ': expected an object, received ',
    ),
  ),
  ...(
    [
      ['unsorted', int(1, 0), 'SHAPE', '[1]: expected ascending indices without repetition, received 0 after 1'],
      ['repeated', int(1, 1), 'SHAPE', '[1]: expected ascending indices without repetition, received 1 after 1'],
      ['too high', int(0, 2), 'SHAPE', '[1]: expected an index in [0, 2), received 2'],
      ['negative', int(-1), 'SHAPE', '[0]: expected an index in [0, 2), received -1'],
      ['none', int(), 'SHAPE', ': expected at least one active layer, received none'],
      ['detached', detach(int(1)), 'SHAPE', ': expected at least one active layer, received none'],
      ['out of bounds', outOfBounds(), 'SHAPE', ': expected at least one active layer, received none'],
      ['an array', [0], 'DTYPE', ': expected an Int32Array, received an array'],
      ['a Uint8Array', Uint8Array.of(0), 'DTYPE', ': expected an Int32Array, received another typed array'],
      ['null', null, 'DTYPE', ': expected an Int32Array, received null'],
    ] as const
  ).map(([name, layers, code, message]) =>
    subnetworkMistake(`layers: ${name}`, { layers }, `ERR_BURGEON_${code}`, `.layers${message}`),
  ),
  ...(['heads', 'neurons'] as const).flatMap((unit) => {
    const limit = unit === 'heads' ? 4 : 128;
    const perLayer = 'expected one list per active layer';
    return (
      [
        ['one list for two layers', [int(0)], 'SHAPE', `: ${perLayer} (2), received 1`],
        ['three lists for two layers', [int(0), int(0), int(0)], 'SHAPE', `: ${perLayer}, at most 2, received 3`],
        ['no list', [], 'SHAPE', `: ${perLayer}, at most 2, received 0`],
        ['four billion lists', new Array(2 ** 32 - 1), 'SHAPE', `: ${perLayer}, at most 2, received 4294967295`],
        ['one Int32Array', int(0, 1), 'SHAPE', ': expected an array with one Int32Array or undefined per active layer'],
        ['an object', {}, 'SHAPE', ': expected an array with one Int32Array or undefined per active layer'],
        [
          'an empty list',
          [undefined, int()],
          'SHAPE',
          '[1]: expected at least one active unit, received an empty list',
        ],
        ['a detached list', [undefined, detach(int(1))], 'SHAPE', '[1]: expected at least one active unit'],
        ['a plain list', [[0], undefined], 'DTYPE', '[0]: expected an Int32Array, received an array'],
        ['null', [null, undefined], 'DTYPE', '[0]: expected an Int32Array, received null'],
        ['unsorted', [int(0), int(2, 0)], 'SHAPE', '[1][1]: expected ascending indices without repetition'],
        ['repeated', [int(0), int(1, 1)], 'SHAPE', '[1][1]: expected ascending indices without repetition'],
        ['too high', [int(0, limit), int(0)], 'SHAPE', `[0][1]: expected an index in [0, ${limit}), received ${limit}`],
        ['negative', [int(-3), int(0)], 'SHAPE', `[0][0]: expected an index in [0, ${limit}), received -3`],
      ] as const
    ).map(([name, lists, code, message]) =>
      subnetworkMistake(`${unit}: ${name}`, { [unit]: lists }, `ERR_BURGEON_${code}`, `.${unit}${message}`),
    );
  }),
  subnetworkMistake(
    'lists for all layers, but one active',
    { layers: int(1), heads: [int(0), int(1)] },
    'ERR_BURGEON_SHAPE',
    '.heads: expected one list per active layer (1), received 2',
  ),
  subnetworkMistake(
    'heads and query heads',
    { heads: [int(0), int(1)], queryHeads: [int(0), int(1)] },
    'ERR_BURGEON_SHAPE',
    ': expected heads or queryHeads, received both',
  ),
  subnetworkMistake(
    'query heads said by a flag',
    { heads: [int(0), int(1)], queryHeads: true } as never,
    'ERR_BURGEON_SHAPE',
    '.queryHeads: expected an array',
  ),
];

const tensorMistakes: Mistake[] = [
  ...(['wte', 'h.2.ln_1.weight', '__proto__', 'constructor', '', 5, null, Symbol('t'), {}] as never[]).map(
    (name): Mistake => [
      `tensor: ${String(name)}`,
      (model) => model.parameter(name),
      'ERR_BURGEON_CONFIG',
      'expected a name like wte.weight or h.0.attn.c_attn.weight (layers 0 to 1)',
    ],
  ),
  ['shape of an unknown tensor', (model) => model.shape('wte'), 'ERR_BURGEON_CONFIG', 'tensor "wte": expected a name'],
  ...(
    [
      ['too short', new Float32Array(31), '31'],
      ['detached', detach(new Float32Array(32)), '0'],
      ['text of the right length', ' '.repeat(32), JSON.stringify(' '.repeat(32))],
      ['a DataView', new DataView(new ArrayBuffer(128)), '[object DataView]'],
      ['null', null, 'null'],
      ['a number', 32, '32'],
    ] as [string, never, string][]
  ).map(
    ([name, data, came]): Mistake => [
      `data: ${name}`,
      (model) => model.setParameter('ln_f.weight', data),
      'ERR_BURGEON_SHAPE',
      `ln_f.weight: expected 32 numbers (32), received ${came}`,
    ],
  ),
  [
    'data: holes',
    (model) => model.setParameter('ln_f.weight', new Array(32)),
    'ERR_BURGEON_DTYPE',
    'ln_f.weight[0]: expected a number, received undefined',
  ],
  [
    'moment: a role that is none',
    (model) => model.moment('wte.weight', 'weight' as never),
    'ERR_BURGEON_CONFIG',
    `moment: expected 'm' or 'v', received "weight"`,
  ],
  [
    'planBytes: beyond any batch',
    (model) => model.planBytes(2 ** 30, 2 ** 30),
    'ERR_BURGEON_CONFIG',
    'batchSize: expected an integer in [1, 268435456], received the number 1073741824',
  ],
  [
    'planBytes: fractional',
    (model) => model.planBytes(1, 0.5),
    'ERR_BURGEON_CONFIG',
    'sequenceLength: expected an integer',
  ],
];

const generateMistakes: Mistake[] = (
  [
    [[], {}, 'SHAPE', 'prompt: expected at least one token, received none'],
    [null, {}, 'SHAPE', 'prompt: expected at least one token, received null'],
    [5, {}, 'SHAPE', 'prompt: expected at least one token, received 5'],
    ['abc', {}, 'DATA', 'prompt[0]: expected a token in [0, 61), received "a"'],
    [[3, 1.5], {}, 'DATA', 'prompt[1]: expected a token in [0, 61), received 1.5'],
    [[-1], {}, 'DATA', 'prompt[0]: expected a token in [0, 61), received -1'],
    [[61], {}, 'DATA', 'prompt[0]: expected a token in [0, 61), received 61'],
    [[2 ** 32], {}, 'DATA', 'prompt[0]: expected a token in [0, 61), received 4294967296'],
    [[1], { maxTokens: -1 }, 'CONFIG', 'maxTokens: expected an integer >= 0, received -1'],
    [[1], { maxTokens: Infinity }, 'CONFIG', 'maxTokens: expected an integer >= 0, received Infinity'],
    [[1], { temperature: -1 }, 'CONFIG', 'temperature: expected a number >= 0, received -1'],
    [[1], { temperature: Number.NaN }, 'CONFIG', 'temperature: expected a number >= 0, received NaN'],
    [[1], { topK: 0.5 }, 'CONFIG', 'topK: expected an integer >= 0 (0 keeps all), received 0.5'],
    [[1], { topP: 0 }, 'CONFIG', 'topP: expected a number in (0, 1], received 0'],
    [[1], { seed: 0.5 }, 'CONFIG', 'seed: expected an integer'],
    [[1], null, 'CONFIG', 'options of generate(): expected an object, received null'],
  ] as const
).map(([prompt, options, code, message]) => [
  `generate: ${JSON.stringify(prompt)} ${JSON.stringify(options)}`,
  (model) => model.generate(prompt as never, options as never),
  `ERR_BURGEON_${code}`,
  message,
]);

describe('mistakes in calls', () => {
  let model: Model;

  beforeAll(async () => {
    model = await Model.create(config, { threads: 2 });
    await model.forwardBackward(tokens, targets, { batchSize });
  });
  afterAll(() => model.dispose());

  it.each([
    ...tokenMistakes,
    ...targetMistakes,
    ...optionMistakes,
    ...subnetworkMistakes,
    ...groupMistakes,
    ...tensorMistakes,
    ...generateMistakes,
  ])('%s', async (_, call, code, message) => {
    await expectMistake(() => call(model), code, message);
  });

  it('all of them left the model as it was', async () => {
    using undisturbed = await Model.create(config, { threads: 2 });
    await undisturbed.forwardBackward(tokens, targets, { batchSize });
    expect(fingerprints(await allGradients(model))).toEqual(fingerprints(await allGradients(undisturbed)));
    expect(fingerprints(await allParameters(model))).toEqual(fingerprints(await allParameters(undisturbed)));
    expect(await model.optimizerStep({ lr: 1e-3 })).toMatchObject({
      gradientNorm: (await undisturbed.optimizerStep({ lr: 1e-3 })).gradientNorm,
    });
  });
});

describe('mistakes in creation', () => {
  it.each([
    ['a model of nothing', {}, {}, 'ERR_BURGEON_CONFIG', 'nLayer: expected a value, received nothing'],
    ['null', null, {}, 'ERR_BURGEON_CONFIG', 'nLayer: expected a value, received nothing'],
    ['an unknown preset', 'gpt5', {}, 'ERR_BURGEON_CONFIG', 'preset: expected'],
    ['heads that do not divide', { ...config, nHead: 5 }, {}, 'ERR_BURGEON_CONFIG', 'nHead: expected a divisor'],
    ['no vocabulary', 'gpt2-tiny', {}, 'ERR_BURGEON_CONFIG', 'model.vocabSize: expected a value'],
    ['options: null', config, null, 'ERR_BURGEON_CONFIG', 'options of Model.create(): expected an object'],
    [
      'an unknown precision',
      config,
      { precision: 'float16' },
      'ERR_BURGEON_CONFIG',
      `precision: expected 'auto' or 'float32' or 'bf16' or 'float64', received "float16"`,
    ],
    [
      'an unknown device',
      config,
      { device: 'tpu' },
      'ERR_BURGEON_BACKEND',
      'device: expected auto, cpu, cuda, cuda:<number> or reference, received "tpu"',
    ],
    ['a device that is no text', config, { device: 1 }, 'ERR_BURGEON_BACKEND', 'device: expected auto, cpu, '],
    [
      'float64 on the processor',
      config,
      { precision: 'float64' },
      'ERR_BURGEON_BACKEND',
      'float64 needs the reference backend',
    ],
    ...[0, 1.5, 1025, Number.NaN, '2', null].map(
      (threads) =>
        [
          `threads: ${threads}`,
          config,
          { threads },
          'ERR_BURGEON_CONFIG',
          'threads: expected an integer in [1, 1024], received',
        ] as const,
    ),
    ['a fractional seed', config, { seed: 0.5 }, 'ERR_BURGEON_CONFIG', 'seed: expected an integer'],
    [
      'more weights than any machine holds',
      { ...config, nLayer: 1024, nEmbd: 65_536, nInner: 1_048_576 },
      {},
      'ERR_BURGEON_OUT_OF_MEMORY',
      'model: weights, gradients and moments need',
    ],
  ] as const)('%s', async (_, given, options, code, message) => {
    await expectMistake(() => Model.create(given as never, options as never), code, message);
  });
});

describe('memory that is not there', () => {
  it('refuses activations beyond the machine and goes on', async () => {
    using wide = await Model.create({ ...config, nLayer: 1, nHead: 1, nEmbd: 1, nInner: 1_048_576 }, { threads: 1 });
    const batch = 2 ** 20;
    await expectMistake(
      () => wide.forward(new Int32Array(batch), { batchSize: batch }),
      'ERR_BURGEON_OUT_OF_MEMORY',
      'activations need ',
    );
    expect(await wide.forward(int(1), { targets: int(1) })).toMatchObject({ loss: expect.any(Number) });
  });

  it('refuses logits beyond the address space and goes on', async () => {
    const large = { ...config, nLayer: 1, nHead: 1, nEmbd: 1, nInner: 1, contextLength: 1024, vocabSize: 2 ** 24 };
    using model = await Model.create(large, { threads: 1 });
    await expectMistake(
      () => model.forward(new Int32Array(2 ** 24), { batchSize: 2 ** 14, logits: 'all' }),
      'ERR_BURGEON_OUT_OF_MEMORY',
      'logits: a Float32Array of length 281474976710656 was refused',
    );
    expect((await model.forward(int(1), { logits: 'last' })).logits).toHaveLength(2 ** 24);
  });
});

describe('environment', () => {
  const names = ['BURGEON_THREADS', 'BURGEON_DEVICE', 'BURGEON_MAX_ISA'] as const;
  const before = names.map((name) => process.env[name]);

  afterEach(() => {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  });

  it.each([
    ...['0', '-1', '1.5', 'many', '1025', '1e9', 'NaN'].map(
      (value) => ['BURGEON_THREADS', value, 'ERR_BURGEON_CONFIG', 'expected an integer from 1 to 1024'] as const,
    ),
    ...['gpu', 'cuda:', 'CPU'].map(
      (value) =>
        [
          'BURGEON_DEVICE',
          value,
          'ERR_BURGEON_BACKEND',
          'expected auto, cpu, cuda, cuda:<number> or reference',
        ] as const,
    ),
    ...['sse', 'AVX2', 'best'].map(
      (value) =>
        [
          'BURGEON_MAX_ISA',
          value,
          'ERR_BURGEON_BACKEND',
          'expected amx, avx512bf16, avx512, avx2 or baseline',
        ] as const,
    ),
  ])('%s=%s', async (name, value, code, expected) => {
    process.env[name] = value;
    await expectMistake(() => Model.create(config), code, `${name}: ${expected}, received "${value}"`);
  });

  it('counts an empty value as none, and lets options win', async () => {
    for (const name of names) process.env[name] = '';
    using model = await Model.create(config);
    expect(model.info).toMatchObject({ backend: 'cpu' });
    process.env.BURGEON_THREADS = '3';
    process.env.BURGEON_DEVICE = 'reference';
    using fromEnvironment = await Model.create(config);
    expect(fromEnvironment.info).toMatchObject({ backend: 'reference', threads: 3 });
    using fromOptions = await Model.create(config, { device: 'cpu', threads: 1 });
    expect(fromOptions.info).toMatchObject({ backend: 'cpu', threads: 1 });
  });
});
