// The addon itself, without the typed Model around it: whatever it is called with, and on whatever, it throws, rejects or
// works; it never crashes the process, and a call that it refuses changes nothing. Deterministic cases first, then random
// garbage (fast-check prints the seed and the smallest failing case).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NativeModel as Native, NativeBinding } from '../../lib/addon/binding.ts';
import { loadAddon } from '../../lib/addon/load.ts';
import { errorCodes } from '../../lib/errors.ts';

const binding: NativeBinding = loadAddon().binding;
const { NativeModel } = binding;

const config = {
  nLayer: 2,
  nHead: 2,
  nEmbd: 8,
  nInner: 12,
  contextLength: 6,
  vocabSize: 11,
  nKvHead: 1,
  headSize: 4,
  normEpsilon: 1e-5,
  rmsNorm: true,
  gatedMlp: true,
  qkvBias: true,
  attentionOutputBias: false,
  mlpBias: true,
  tiedHead: false,
  ropeFrequencies: Float32Array.of(1, 0.1),
  optimizer: 'adamw' as const,
};
const options = { backend: 'cpu', maxIsa: '', precision: 'float32' as const, threads: 1 };
const tokens = Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const targets = Int32Array.of(2, 3, 4, 5, 6, 7, 8, -1);
const subnetwork = {
  layers: Int32Array.of(0, 1),
  queryHeads: [Int32Array.of(0), undefined],
  neurons: [undefined, Int32Array.of(2, 5)],
  layerScale: Float64Array.of(1, 0.5),
};
const groups = [{ sequences: 1, ...subnetwork }, { sequences: 1 }];
const batch = { tokens, targets, batchSize: 2, sequenceLength: 4, groups };
const step = {
  lr: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  momentum: 0.95,
  weightDecay: 0.1,
  cautiousWeightDecay: false,
  gradientClip: 1,
  step: 1,
  freeze: false,
};

/** Arguments with which each method works. */
const validArguments = {
  forward: [batch, 2],
  extend: [batch, 0, 6],
  forwardBackward: [batch, 1],
  accumulate: [batch, 1],
  optimizerStep: [step],
  takeLosses: [],
  foldGradients: [0, false],
  clearGradients: [],
  copyRows: [[{ to: 0, toRow: 1, from: 0, fromRow: 2, rows: 1, weight: 0.5, m: 1, v: 0 }]],
  read: [0, 0, 0, 11],
  write: [0, 0, 0, 11, new Float32Array(11 * 8)],
  tensors: [],
  planBytes: [2, 4, true],
  info: [],
  takeProfile: [],
  dispose: [],
} satisfies Record<Exclude<keyof Native, RankMethod>, unknown[]>;

/** Those that need other ranks: native-communicator.test.ts. */
const rankMethods = ['exchangeGradients', 'broadcastState', 'gatherWeights', 'gatherRows', 'scatterRows'] as const;
type RankMethod = (typeof rankMethods)[number];
const ofRanks = new Set<string>(rankMethods);

type Method = keyof typeof validArguments;
const methods = Object.keys(validArguments) as Method[];

/** A small model with weights that are not zero. */
function makeModel(): Native {
  const model = new NativeModel(config, options);
  for (const [index, { rows, cols }] of model.tensors().entries()) {
    model.write(
      0,
      index,
      0,
      rows,
      Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i + index)),
    );
  }
  return model;
}

function callOn(receiver: unknown, method: Method, args: readonly unknown[]): unknown {
  return Reflect.apply(NativeModel.prototype[method], receiver, args);
}

/** What a call throws or rejects with; undefined when it works. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error ?? 'nothing was thrown, but thrown it was';
  }
}

/** Everything a model holds, as comparable text. */
function contentsOf(model: Native): string {
  return model
    .tensors()
    .flatMap(({ rows }, index) =>
      [0, 1, 2, 3].map((role) => Buffer.from(model.read(role, index, 0, rows).buffer).toString('hex')),
    )
    .join('\n');
}

function isKnown(error: unknown): boolean {
  return errorCodes.includes((error as { code?: never } | undefined)?.code as never);
}

describe('methods', () => {
  it('are the ones tested here, and work with these arguments', async () => {
    const names = Object.getOwnPropertyNames(NativeModel.prototype).filter(
      (name) => name !== 'constructor' && !ofRanks.has(name),
    );
    expect(names.sort()).toEqual([...methods].sort());
    const model = makeModel();
    for (const method of methods)
      expect(await outcome(() => callOn(model, method, validArguments[method]))).toBe(undefined);
  });

  it.each(methods)('%s refuses any other receiver', async (method) => {
    const model = makeModel();
    const receivers: unknown[] = [
      undefined,
      null,
      1,
      'model',
      {},
      [],
      () => {},
      new Map(),
      Buffer.alloc(64),
      globalThis,
      binding,
      NativeModel,
      NativeModel.prototype,
      Object.create(NativeModel.prototype),
      Object.setPrototypeOf({}, model),
      new Proxy(model, {}),
    ];
    for (const receiver of receivers) {
      const error = await outcome(() => callOn(receiver, method, validArguments[method]));
      expect(error, String(receiver)).toBeInstanceOf(TypeError);
    }
  });

  it('belong to objects that `new` made', () => {
    expect(() => Reflect.apply(NativeModel, undefined, [config, options])).toThrow(TypeError);
    expect(() => Reflect.apply(NativeModel, {}, [config, options])).toThrow(TypeError);
    class Derived extends NativeModel {}
    expect(new Derived(config, options).info().threads).toBe(1);
  });

  it.each(methods)('%s refuses to run beside a running call, but for info and dispose', async (method) => {
    const model = makeModel();
    const running = model.forwardBackward(batch, 1);
    const error = await outcome(() => callOn(model, method, validArguments[method]));
    if (method === 'info' || method === 'dispose') expect(error).toBe(undefined);
    else expect(error).toMatchObject({ code: 'ERR_BURGEON_BUSY' });
    expect((await running).loss).toBeGreaterThan(0);
  });

  it.each(methods)('%s refuses a disposed model, but for dispose', async (method) => {
    const model = makeModel();
    model.dispose();
    const error = await outcome(() => callOn(model, method, validArguments[method]));
    if (method === 'dispose') expect(error).toBe(undefined);
    else expect(error).toMatchObject({ code: 'ERR_BURGEON_DISPOSED', message: 'model: used after dispose()' });
  });
});

/** An object whose every property throws, or does something to a model first. */
function hostile(action: () => unknown): object {
  return new Proxy(
    {},
    {
      get() {
        action();
        return undefined;
      },
    },
  );
}

function detachedArray(): Int32Array {
  const data = new Int32Array(8);
  structuredClone(data, { transfer: [data.buffer] });
  return data;
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Made anew for each case, as some of them act on the model of that case. */
type Garbage = (model: Native) => unknown;

const special: Garbage[] = [
  ...[undefined, null, true, -0, 0.5, -1, Number.NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, 5e-324, 10n].map(
    (value) => () => value,
  ),
  () => Symbol('garbage'),
  () => () => {},
  () => class {},
  () => new Proxy({}, {}),
  revokedProxy,
  detachedArray,
  () => new Int32Array(new SharedArrayBuffer(32)),
  () => new Int32Array(8).fill(2 ** 31 - 1),
  () => new Int32Array(8).fill(-1),
  () => new Float32Array(88).fill(Number.NaN),
  () => new Float64Array(88),
  () => new DataView(new ArrayBuffer(32)),
  () => new ArrayBuffer(32),
  () => new Array(2 ** 32 - 1),
  () => Object.create(Int32Array.prototype),
  () => new Proxy(new Int32Array(8), {}),
  () => Promise.reject(new Error('garbage')).catch(() => {}),
  () =>
    hostile(() => {
      throw new Error('garbage');
    }),
  (model) => model,
  (model) => hostile(() => model.dispose()),
  (model) => hostile(() => void outcome(() => model.forwardBackward(batch, 1))),
  (model) => ({ layers: hostile(() => model.dispose()), heads: [hostile(() => model.dispose())] }),
];

const garbage: fc.Arbitrary<Garbage> = fc.oneof(
  fc.constantFrom(...special),
  fc
    .anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    .map((value) => () => value),
  fc.int32Array({ maxLength: 12 }).map((value) => () => value),
  fc.int32Array({ min: -1, max: 11, minLength: 8, maxLength: 8 }).map((value) => () => value),
  fc.integer().map((value) => () => value),
  fc.double().map((value) => () => value),
);

/** Values for keys that the addon reads, some of them wrong. */
const record = (valid: object): fc.Arbitrary<Garbage> =>
  fc.tuple(fc.constantFrom(...Object.keys(valid)), garbage).map(([key, value]) => (model) => ({
    ...valid,
    [key]: value(model),
  }));

const lists = fc.array(fc.option(fc.int32Array({ min: -1, max: 13, maxLength: 4 }), { nil: undefined }), {
  maxLength: 4,
});
const badSubnetwork = fc
  .record(
    { layers: fc.int32Array({ min: -1, max: 3, maxLength: 3 }), heads: lists, neurons: lists },
    { requiredKeys: [] },
  )
  .map(
    (value): Garbage =>
      () =>
        value,
  );

const anyArgument = fc.oneof(garbage, record(subnetwork), record(step), badSubnetwork);

describe('garbage', () => {
  it('in one place of an otherwise good call: refused, and nothing has changed, or accepted', async () => {
    const untouched = contentsOf(makeModel());
    let refused = 0;
    const withArguments = methods.filter((method) => validArguments[method].length > 0);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...withArguments), fc.nat(), anyArgument, async (method, place, value) => {
        const model = makeModel();
        const args: unknown[] = [...validArguments[method]];
        args[place % args.length] = value(model);
        const error = await outcome(() => callOn(model, method, args));
        if (error === undefined) return;
        refused++;
        if (!isKnown(error)) expect((error as Error).message).toMatch(/garbage|proxy|convert|primitive/i);
        const isThere = (await outcome(() => model.clearGradients())) === undefined;
        if (isThere) expect(contentsOf(model)).toBe(untouched);
      }),
      { numRuns: 1500 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('everywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), fc.array(anyArgument, { maxLength: 8 }), async (method, values) => {
        const model = makeModel();
        const args = values.map((value) => value(model));
        await outcome(() => callOn(model, method, args));
        expect([undefined, 'ERR_BURGEON_BUSY', 'ERR_BURGEON_DISPOSED']).toContain(
          ((await outcome(() => model.tensors())) as { code?: string } | undefined)?.code,
        );
      }),
      { numRuns: 1500 },
    );
  });

  it('in the construction of a model: refused, or a model that works', async () => {
    const model = makeModel();
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.tuple(
            record(config),
            fc.constant<Garbage>(() => options),
          ),
          fc.tuple(
            fc.constant<Garbage>(() => config),
            record(options),
          ),
          fc.tuple(garbage, garbage),
        ),
        async (values) => {
          const args = values.map((value) => value(model)) as ConstructorParameters<typeof NativeModel>;
          const error = await outcome(() => {
            const made = new NativeModel(...args);
            const { rmsNorm, gatedMlp, qkvBias, attentionOutputBias, mlpBias, tiedHead, ropeFrequencies } = args[0];
            const globals = 2 + (ropeFrequencies === null ? 1 : 0) + (rmsNorm ? 0 : 1) + (tiedHead ? 0 : 1);
            const norms = rmsNorm ? 2 : 4;
            const attention = 2 + (qkvBias ? 1 : 0) + (attentionOutputBias ? 1 : 0);
            const mlp = (gatedMlp ? 3 : 2) * (mlpBias ? 2 : 1);
            expect(made.tensors()).toHaveLength(globals + (norms + attention + mlp) * args[0].nLayer);
            made.dispose();
          });
          if (error === undefined) return;
          refused++;
          if (!isKnown(error)) expect((error as Error).message).toMatch(/garbage|proxy|convert|primitive/i);
        },
      ),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  it('in the measurement of the machine', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(garbage, { maxLength: 3 }), async (values) => {
        const model = makeModel();
        const error = await outcome(() =>
          Reflect.apply(
            binding.measurePeak,
            undefined,
            values.map((value) => value(model)),
          ),
        );
        expect(isKnown(error)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(await outcome(() => binding.measurePeak(1, 'sse'))).toMatchObject({ code: 'ERR_BURGEON_BACKEND' });
  });
});
