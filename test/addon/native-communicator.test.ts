// The line between JavaScript and the other ranks: nothing that is passed ends the process, and what is wrong is named.
import { describe, expect, test } from 'vitest';
import { loadAddon } from '../../lib/addon/load.ts';
import { Communicator } from '../../lib/ranks/communicator.ts';
import { freePort } from '../ranks/helpers.ts';

const { NativeCommunicator, NativeModel } = loadAddon().binding;

const place = { mpiLibrary: '', rank: 0, size: 2, address: '127.0.0.1', port: 1, meetSeconds: 1, silenceSeconds: 15 };
const call = (method: string, ...args: unknown[]) => {
  const receiver = new NativeCommunicator() as unknown as Record<string, (...args: unknown[]) => unknown>;
  return receiver[method]!(...args);
};

describe('arguments', () => {
  const wrongPlaces: [string, object, string][] = [
    ['size 1', { size: 1 }, 'size: expected an integer in [2, 4096], received the number 1'],
    ['rank 2 of 2', { rank: 2 }, 'rank: expected an integer in [0, 1], received the number 2'],
    ['a port of 0', { port: 0 }, 'port: expected an integer in [1, 65535], received the number 0'],
    ['no address', { address: undefined }, 'address: expected a string, received undefined'],
    ['no time', { meetSeconds: 0 }, 'meetSeconds: expected an integer in [1, 86400], received the number 0'],
  ];
  test.each(wrongPlaces)('meet() refuses %s', (_, wrong, message) => {
    expect(() => call('meet', { ...place, ...wrong })).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_CONFIG', message }),
    );
  });

  test('of the other calls are looked at before the ranks', () => {
    for (const wrong of [undefined, null, 1, {}, 'text', ['1'], [1, undefined], Symbol.iterator]) {
      expect(() => call('sum', wrong, 'a test')).toThrow(/^numbers: expected /);
      expect(() => call('meet', wrong)).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
      if (typeof wrong !== 'string') expect(() => call('broadcast', wrong, 'a test')).toThrow(/^text: expected /);
      if (typeof wrong !== 'string') expect(() => call('giveUp', wrong)).toThrow(/^why: expected /);
    }
    expect(() => call('sum', [1], undefined)).toThrow(/^what: expected /);
  });

  test('calls before ranks have met are refused; leaving is not', () => {
    const refusal = expect.objectContaining({ code: 'ERR_BURGEON_DISPOSED' });
    expect(() => call('sum', [1], 'a test')).toThrow(refusal);
    expect(() => call('broadcast', '', 'a test')).toThrow(refusal);
    expect(call('giveUp', 'a test')).toBeUndefined();
    expect(call('close')).toBeUndefined();
  });

  test('a model takes nothing else for ranks', () => {
    for (const wrong of [undefined, null, 1, {}, [], () => 1, new Map(), Object.create(new NativeCommunicator())]) {
      for (const method of [
        'exchangeGradients',
        'broadcastState',
        'gatherWeights',
        'gatherRows',
        'scatterRows',
      ] as const) {
        const call = NativeModel.prototype[method] as (...args: unknown[]) => unknown;
        expect(() => call.call(newModel(), wrong, 2, 0, 0, 1)).toThrow(/^communicator: expected /);
      }
    }
    const alone = new NativeCommunicator();
    for (const wrong of [undefined, null, '2', 0, -1, 1.5, Number.NaN, 2 ** 40]) {
      expect(() => newModel().exchangeGradients(alone, wrong as number)).toThrow(
        /^microBatches: expected an integer in /,
      );
    }
    expect(() => newModel().exchangeGradients(alone, 2)).toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DISPOSED',
        message: 'ranks: used before they met, or after close()',
      }),
    );
  });
});

const shape = { nLayer: 1, nHead: 1, nEmbd: 8, nInner: 8, contextLength: 4, vocabSize: 9, nKvHead: 1, headSize: 8 };
const facts = {
  normEpsilon: 1e-5,
  rmsNorm: false,
  gatedMlp: false,
  qkvBias: true,
  attentionOutputBias: true,
  mlpBias: true,
};
const newModel = (shard?: { rank: number; size: number }) =>
  new NativeModel(
    { ...shape, ...facts, tiedHead: true, ropeFrequencies: new Float32Array(4), optimizer: 'adamw' },
    { backend: 'cpu', maxIsa: '', precision: 'float32', threads: 1, ...(shard && { shard }) },
  );

test('moments that are divided are of these ranks, and moved as they should be', async () => {
  const port = await freePort();
  const ranks = await Promise.all(
    [0, 1].map((rank) => Communicator.connect({ rank, size: 2, address: '127.0.0.1', port })),
  );
  const both = <Result>(work: (model: InstanceType<typeof NativeModel>, rank: Communicator) => Promise<Result>) =>
    Promise.all(ranks.map((each, rank) => work(models[rank]!, each)));
  const models = [0, 1].map((rank) => newModel({ rank, size: 2 }));
  const shared = (code: string, message: string) =>
    expect.objectContaining({ code, message: expect.stringContaining(message) });
  for (const model of models) {
    expect(() => model.read(2, 0, 0, 1)).toThrow(shared('ERR_BURGEON_SHAPE', 'found them divided over 2 ranks'));
    expect(() => model.write(3, 0, 0, 1, new Float32Array(8))).toThrow(
      shared('ERR_BURGEON_SHAPE', 'a checkpoint has all'),
    );
    await expect(model.copyRows([])).rejects.toEqual(shared('ERR_BURGEON_SHAPE', 'expected the other ranks'));
    const update = {
      lr: 1,
      beta1: 0.9,
      beta2: 0.9,
      epsilon: 1e-8,
      weightDecay: 0,
      gradientClip: 0,
      step: 1,
      freeze: false,
      momentum: 0.95,
      cautiousWeightDecay: false,
    };
    await expect(model.optimizerStep(update)).rejects.toEqual(shared('ERR_BURGEON_SHAPE', 'exchange them first'));
  }
  const none = await both((model, rank) => model.gatherWeights(rank.native).catch((error: unknown) => error));
  for (const error of none) expect(error).toEqual(shared('ERR_BURGEON_SHAPE', 'found none'));
  const others = newModel({ rank: 1, size: 3 });
  await expect(others.gatherRows(ranks[1]!.native, 2, 0, 0, 1)).rejects.toEqual(
    shared('ERR_BURGEON_CONFIG', 'expected those that moments are divided over, rank 1 of 3, received rank 1 of 2'),
  );
  const data = Float32Array.from({ length: 9 * 8 }, (_, i) => (i % 5 === 0 ? -0 : i));
  await both((model, { native, rank }) => model.scatterRows(native, 3, 0, 0, 9, rank === 0 ? data : undefined));
  expect(await both((model, { native }) => model.gatherRows(native, 3, 0, 2, 5))).toEqual(
    [0, 1].map(() => data.slice(16, 56)),
  );
  for (const each of ranks) each.close();
});

test('one call at a time; after close() none', async () => {
  const port = await freePort();
  const ranks = await Promise.all(
    [0, 1].map((rank) => Communicator.connect({ rank, size: 2, address: '127.0.0.1', port })),
  );
  const [first, second] = ranks as [Communicator, Communicator];
  const waiting = first.sum([1, 2], 'a test');
  await expect(first.sum([1, 2], 'a test')).rejects.toMatchObject({ code: 'ERR_BURGEON_BUSY' });
  expect(() => first.close()).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_BUSY' }));
  expect(await second.sum([3, Number.NaN], 'a test')).toEqual([4, Number.NaN]);
  expect(await waiting).toEqual([4, Number.NaN]);
  const told = await Promise.all([
    first.broadcast({ text: 'ä€😀'.repeat(9999) }, 'a test'),
    second.broadcast(undefined, 'a test'),
  ]);
  expect(told[1]).toEqual(told[0]);
  expect(await Promise.all(ranks.map((each) => each.sum([], 'a test')))).toEqual([[], []]);
  second.giveUp('it has seen enough');
  await expect(first.sum([1], 'a test')).rejects.toMatchObject({
    code: 'ERR_BURGEON_RANKS',
    message: expect.stringMatching(/^rank 1 \(.*\): it has seen enough; rank 0 was waiting for rank 1 in a test\. /),
  });
  for (const each of ranks) each.close();
  for (const each of ranks) each.close();
  await expect(first.sum([1], 'a test')).rejects.toMatchObject({ code: 'ERR_BURGEON_DISPOSED' });
});
