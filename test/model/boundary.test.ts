// What may happen around a call: arrays that change, calls that meet, models that are gone, and the process they live in.
// mistakes.test.ts has what a caller may get wrong.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, test } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import { allGradients, allParameters, fingerprints, generated, randomBatch, smallConfig } from '../helpers/models.ts';
import { errorOf, expectMistake, int, shared } from './mistakes.ts';

const config = smallConfig({ nLayer: 2 });
const batchSize = 2;
const { tokens, targets } = randomBatch(config, batchSize, 16);

describe('getters', () => {
  it('that throw: this is said, with their error as the cause, and the model goes on', async () => {
    using model = await Model.create(config, { threads: 1 });
    const thrown = new Error('from a getter');
    const throwing = (name: string) =>
      Object.defineProperty({}, name, {
        enumerable: true,
        get() {
          throw thrown;
        },
      });
    const refused = { code: 'ERR_BURGEON_CONFIG', cause: thrown };
    for (const options of ['targets', 'batchSize', 'subnetwork', 'logits'].map(throwing)) {
      expect(await errorOf(() => model.forward(tokens, options))).toMatchObject(refused);
    }
    for (const subnetwork of ['layers', 'heads', 'neurons'].map(throwing)) {
      expect(await errorOf(() => model.forward(tokens, { batchSize, subnetwork }))).toMatchObject(refused);
    }
    for (const group of [throwing('sequences'), { sequences: 2, subnetwork: throwing('layers') }]) {
      const groups = [group as never];
      expect(await errorOf(() => model.forwardBackward(tokens, targets, { batchSize, groups }))).toMatchObject(refused);
    }
    const list = Object.defineProperty([undefined], 1, Object.getOwnPropertyDescriptor(throwing('1'), '1')!);
    const subnetwork = { heads: list as never };
    expect(await errorOf(() => model.forward(tokens, { batchSize, subnetwork }))).toMatchObject(refused);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(await errorOf(() => model.forward(tokens, { batchSize, subnetwork: proxy }))).toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      cause: expect.any(TypeError),
    });
    await model.forward(tokens, { batchSize });
  });

  it('that dispose of the model', async () => {
    for (const name of ['forward', 'forwardBackward'] as const) {
      const model = await Model.create(config, { threads: 1 });
      const subnetwork = {
        get layers() {
          model.dispose();
          return int(0);
        },
      };
      const call =
        name === 'forward'
          ? () => model.forward(tokens, { batchSize, subnetwork, logits: 'all' })
          : () => model.forwardBackward(tokens, targets, { batchSize, subnetwork });
      await expectMistake(call, 'ERR_BURGEON_DISPOSED', 'model: used after dispose()');
    }
  });

  it('that call the model again', async () => {
    using model = await Model.create(config, { threads: 1 });
    let inner: Promise<unknown> | undefined;
    const subnetwork = {
      get layers() {
        inner = errorOf(() => model.forward(tokens, { batchSize }));
        return int(0, 1);
      },
    };
    const { loss } = await model.forward(tokens, { batchSize, targets, subnetwork });
    expect(await inner).toMatchObject({ code: 'ERR_BURGEON_BUSY' });
    expect(loss).toBe((await model.forward(tokens, { batchSize, targets })).loss);
  });

  it('that change the array they are in', async () => {
    using model = await Model.create(config, { threads: 1 });
    for (const length of [0, 100_000]) {
      const heads: (Int32Array | undefined)[] = [undefined, undefined];
      Object.defineProperty(heads, 0, {
        get() {
          heads.length = length;
          heads.fill(int(0), 1);
          return int(0);
        },
      });
      const error = await errorOf(() => model.forward(tokens, { batchSize, subnetwork: { heads } }));
      expect(error).toMatchObject({ code: 'ERR_BURGEON_SHAPE' });
    }
  });
});

describe('arrays', () => {
  it('may be changed as soon as a call has returned', async () => {
    using model = await Model.create(config, { threads: 2 });
    using expected = await Model.create(config, { threads: 2 });
    const lists = () => ({ layers: int(0, 1), heads: [int(1, 3), int(0)], neurons: [int(5, 6, 100), undefined] });

    const before = await expected.forwardBackward(tokens, targets, { batchSize, subnetwork: lists() });
    const [myTokens, myTargets, mine] = [tokens.slice(), targets.slice(), lists()];
    const running = model.forwardBackward(myTokens, myTargets, { batchSize, subnetwork: mine });
    for (const data of [myTokens, myTargets, mine.layers, ...mine.heads, mine.neurons[0]!]) data.fill(-7);
    mine.heads.length = 0;
    expect((await running).loss).toBe(before.loss);
    expect(fingerprints(await allGradients(model))).toEqual(fingerprints(await allGradients(expected)));

    const weights = new Float32Array(32).fill(0.5);
    const setting = model.setParameter('ln_f.weight', weights);
    weights.fill(Number.NaN);
    await setting;
    expect(await model.parameter('ln_f.weight')).toEqual(new Float32Array(32).fill(0.5));

    const prompt = [1, 2, 3];
    const generating = expected.generate(prompt, { maxTokens: 5 });
    prompt.fill(-1);
    const text: number[] = [];
    for await (const token of generating) text.push(token);
    expect(text).toEqual(await generated(expected, [1, 2, 3], { maxTokens: 5 }));
  });

  it('that come back are copies', async () => {
    using model = await Model.create(config, { threads: 1 });
    const first = await model.forward(tokens, { batchSize, logits: 'all' });
    const copy = first.logits!.slice();
    const weights = await model.parameter('wte.weight');
    weights.fill(Number.NaN);
    (model.shape('wte.weight') as number[]).fill(1);
    const second = await model.forward(tokens, { batchSize, logits: 'all' });
    expect(first.logits).toEqual(copy);
    expect(second.logits).toEqual(copy);
    expect(model.shape('wte.weight')).toEqual([61, 32]);
  });

  it('may lie in shared memory, or in the middle of a buffer', async () => {
    using model = await Model.create(config, { threads: 1 });
    const subnetwork = { layers: int(1), heads: [int(0, 2)], neurons: [int(1, 2, 3)] };
    const expected = await model.forward(tokens, { batchSize, targets, subnetwork });
    const inShared = {
      layers: shared(subnetwork.layers),
      heads: subnetwork.heads.map(shared),
      neurons: subnetwork.neurons.map(shared),
    };
    const options = { batchSize, targets: shared(targets), subnetwork: inShared };
    expect((await model.forward(shared(tokens), options)).loss).toBe(expected.loss);
    const around = Int32Array.of(-9, ...tokens, -9);
    expect((await model.forward(around.subarray(1, 33), { batchSize, targets, subnetwork })).loss).toBe(expected.loss);

    const weights = await model.parameter('wte.weight');
    const sharedWeights = new Float32Array(new SharedArrayBuffer(weights.byteLength));
    sharedWeights.set(weights);
    await model.setParameter('wte.weight', new Float32Array(weights.length));
    await model.setParameter('wte.weight', sharedWeights);
    expect((await model.forward(tokens, { batchSize, targets, subnetwork })).loss).toBe(expected.loss);
  });
});

test('a gradient that was set is updated like one that was computed, and nothing else is', async () => {
  using model = await Model.create(config, { threads: 1 });
  const before = fingerprints(await allParameters(model));
  await model.setGradient('h.1.mlp.c_fc.bias', new Float32Array(model.shape('h.1.mlp.c_fc.bias')[0]!).fill(3));
  const { gradientNorm } = await model.optimizerStep({ lr: 1e-2, weightDecay: 0, inactive: 'freeze' });
  expect(gradientNorm).toBeCloseTo(3 * Math.sqrt(model.config.nInner), 4);
  const after = fingerprints(await allParameters(model));
  const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
  expect(changed).toEqual(['h.1.mlp.c_fc.bias']);
});

/** Every method that computes or copies; each must be refused while another runs, and after dispose(). */
const calls: Record<string, (model: Model) => unknown> = {
  'forward()': (model) => model.forward(tokens, { batchSize }),
  'forwardBackward()': (model) => model.forwardBackward(tokens, targets, { batchSize }),
  'optimizerStep()': (model) => model.optimizerStep({ lr: 1 }),
  'clearGradients()': (model) => model.clearGradients(),
  'parameter()': (model) => model.parameter('wte.weight'),
  'gradient()': (model) => model.gradient('wte.weight'),
  'setParameter()': (model) => model.setParameter('ln_f.weight', new Float32Array(32)),
  'setGradient()': (model) => model.setGradient('ln_f.weight', new Float32Array(32)),
  'moment()': (model) => model.moment('wte.weight', 'm'),
  'setMoment()': (model) => model.setMoment('ln_f.weight', 'v', new Float32Array(32)),
  'generate()': (model) => generated(model, [1], { maxTokens: 1 }),
};

describe('busy', () => {
  it('refuses a second call and leaves the first one undisturbed', async () => {
    using model = await Model.create(config, { threads: 2 });
    using undisturbed = await Model.create(config, { threads: 2 });
    const expected = await undisturbed.forwardBackward(tokens, targets, { batchSize });
    const running = model.forwardBackward(tokens, targets, { batchSize });
    for (const [name, call] of Object.entries(calls)) {
      const message = `model: ${name} was called while forwardBackward() is still running; await its promise first`;
      await expectMistake(() => call(model), 'ERR_BURGEON_BUSY', message);
      if (name === 'forward()') expect(model.info.threads).toBe(2);
    }
    expect((await running).loss).toBe(expected.loss);
    expect(fingerprints(await allGradients(model))).toEqual(fingerprints(await allGradients(undisturbed)));
    expect(fingerprints(await allParameters(model))).toEqual(fingerprints(await allParameters(undisturbed)));
  });
});

describe('order', () => {
  it('does not matter: anything may be the first call', async () => {
    for (const call of Object.values(calls)) {
      using model = await Model.create(config, { threads: 2 });
      await call(model);
    }
    using model = await Model.create(config, { threads: 2 });
    expect((await model.optimizerStep({ lr: 1 })).gradientNorm).toBe(0);
  });
});

describe('disposed', () => {
  it('refuses every call, and may be disposed of twice', async () => {
    const model = await Model.create(config, { threads: 1 });
    model.dispose();
    model.dispose();
    for (const call of [...Object.values(calls), () => model.info, () => model.planBytes(1, 1)]) {
      await expectMistake(() => call(model), 'ERR_BURGEON_DISPOSED', 'model: used after dispose()');
    }
    expect(model.shape('wte.weight')).toEqual([61, 32]);
  });

  it('while a call runs: the call ends undisturbed', async () => {
    using undisturbed = await Model.create(config, { threads: 2 });
    const expected = await undisturbed.forwardBackward(tokens, targets, { batchSize });
    const model = await Model.create(config, { threads: 2 });
    const running = model.forwardBackward(tokens, targets, { batchSize });
    model.dispose();
    expect((await running).loss).toBe(expected.loss);
    await expectMistake(() => model.forward(tokens), 'ERR_BURGEON_DISPOSED', 'model: used after dispose()');
  });

  it('while text is generated: the next token fails', async () => {
    const model = await Model.create(config, { threads: 1 });
    const seen: number[] = [];
    const reading = async () => {
      for await (const token of model.generate([1], { maxTokens: 100 })) {
        seen.push(token);
        if (seen.length === 3) model.dispose();
      }
    };
    await expectMistake(reading, 'ERR_BURGEON_DISPOSED', 'model: used after dispose()');
    expect(seen).toHaveLength(3);
  });
});

describe('the process around a model', () => {
  it('keeps its event loop free while the engine computes', async () => {
    const large = smallConfig({ nLayer: 4, nEmbd: 192, contextLength: 128, vocabSize: 4000 });
    using model = await Model.create(large, { threads: 1 });
    const batch = randomBatch(large, 8, 128);
    let turns = 0;
    let isRunning = true;
    const turn = () => {
      turns++;
      if (isRunning) setImmediate(turn);
    };
    setImmediate(turn);
    await model.forwardBackward(batch.tokens, batch.targets, { batchSize: 8 });
    isRunning = false;
    // A blocked loop turns once or twice. A free one turns some hundred thousand times a second.
    expect(turns).toBeGreaterThan(50);
  });

  it('does not grow, whether models are disposed of or left to the garbage collector', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    // 7 MB of weights, gradients and moments and 5 MB of activations each.
    const medium = smallConfig({ nLayer: 2, nEmbd: 128, nInner: 512, contextLength: 64, vocabSize: 500 });
    const batch = randomBatch(medium, 2, 64);
    const cycles = async (count: number, disposes: boolean) => {
      for (let i = 0; i < count; i++) {
        const model = await Model.create(medium, { threads: 2 });
        await model.forwardBackward(batch.tokens, batch.targets, { batchSize: 2 });
        if (disposes) model.dispose();
        else if (i % 10 === 9) {
          // Finalizers run on a later turn of the loop.
          collectGarbage();
          await new Promise(setImmediate);
        }
      }
      collectGarbage();
      await new Promise(setImmediate);
      return process.memoryUsage().rss;
    };
    const megabyte = 2 ** 20;
    const before = await cycles(10, true);
    // Leaking every model would take 600 MB, every arena of activations 250 MB.
    expect(await cycles(50, true)).toBeLessThan(before + 150 * megabyte);
    expect(await cycles(50, false)).toBeLessThan(before + 200 * megabyte);
  });
});
