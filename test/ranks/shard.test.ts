// Moments and update divided over ranks (optimizer.shard): the bits of one rank, whatever is trained and however it grows, and
// checkpoints that know nothing of it.
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { follow } from '../../lib/train/follow.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, type Settings, tinyConfig, train, trainUntil } from '../train/helpers.ts';
import { pair, trainOn } from './helpers.ts';

let prepared: Awaited<ReturnType<typeof prepareText>>;
beforeAll(async () => {
  prepared = await prepareText();
});
afterAll(() => prepared.remove());

const gpt2 = { preset: 'gpt2-tiny', nLayer: 4, nHead: 4, nEmbd: 64, contextLength: 16 };
const llama = {
  ...{
    architecture: 'llama',
    nLayer: 4,
    nHead: 4,
    nKvHead: 2,
    headSize: 16,
    nEmbd: 64,
    nInner: 150,
    contextLength: 16,
  },
  ...{ tiedHead: false, attentionBias: true, mlpBias: true },
};
const qwen2 = { ...llama, architecture: 'qwen2', attentionBias: undefined, mlpBias: undefined };

async function configOf({ optimizer = {}, ...overrides }: Settings, shard: boolean): Promise<Settings> {
  return tinyConfig(prepared.data, path.join(await temporaryDirectory(), 'run'), {
    ...{ steps: 8, accumulationSteps: 4, batchSize: 2, model: gpt2, evaluation: { every: 4, windows: 5 } },
    ...overrides,
    optimizer: { learningRate: 3e-3, warmupSteps: 1, ...(optimizer as object), shard },
  });
}

const half = { endFraction: 0.5, choose: 'first' };
const cases: [name: string, overrides: Settings][] = [
  ['dense, clipped', { est: { schedule: 'dense' }, optimizer: { gradientClip: 0.1 } }],
  ['drawn by every group', { est: { schedule: 'est-gpt2', groupsPerStep: 'sequence' } }],
  ['drawn, freeze', { est: { schedule: 'est-gpt2' }, optimizer: { inactive: 'freeze', gradientClip: 0.3 } }],
  [
    'drawn query heads, Llama in bf16',
    { model: llama, precision: 'bf16', est: { schedule: 'est-gpt2', headSampling: 'query' } },
  ],
  ['stacked copies', { est: { schedule: [{ ...half, layers: 0.5 }, { transition: 'stack' }] } }],
  ['repeated copies, Qwen2', { model: qwen2, est: { schedule: [{ ...half, layers: 0.5 }, { transition: 'repeat' }] } }],
  [
    'units that split, with their moments',
    {
      model: llama,
      est: {
        schedule: [{ ...half, heads: 0.5, neurons: 0.4 }, { transition: { width: 'split', moments: 'copy' } }],
      },
    },
  ],
  [
    'units and layers that come with outputs of zero',
    {
      est: {
        schedule: [
          { ...half, heads: 0.5, neurons: 0.5, layers: 0.5 },
          { transition: { width: 'zero-out', layers: 'zero-out' } },
        ],
      },
    },
  ],
];

test.each(cases)('%s: the bits of one rank', async (_, overrides) => {
  const expected = (await train(await configOf(overrides, false))).fingerprint;
  expect((await trainOn(4)(await configOf(overrides, true))).fingerprint).toEqual(expected);
  // Stopped before and after the model has grown, and resumed by others, divided or not.
  for (const [begin, step, goOn] of [
    [4, 2, 1],
    [1, 3, 2],
    [2, 6, 4],
  ] as const) {
    const stop = new AbortController();
    const begun = await configOf(overrides, begin > 1);
    await trainOn(begin)(begun, { signal: stop.signal }, (record) => {
      if (record.step === step) stop.abort();
    });
    const optimizer = { ...(begun.optimizer as object), shard: goOn === 2 };
    const outcome = await trainOn(goOn)({ ...begun, optimizer }, { start: 'resume' });
    expect(outcome.fingerprint).toEqual(expected);
  }
});

test('three ranks, and two with sums of several parts: the bits of one', async () => {
  const overrides = { accumulationSteps: 6, est: { schedule: 'est-gpt2' }, optimizer: { gradientClip: 0.3 } };
  const expected = (await train(await configOf(overrides, false))).fingerprint;
  for (const ranks of [2, 3]) {
    expect((await trainOn(ranks)(await configOf(overrides, true))).fingerprint).toEqual(expected);
  }
});

test('with one rank nothing is divided', async () => {
  const expected = (await train(await configOf({}, false))).fingerprint;
  expect((await train(await configOf({}, true))).fingerprint).toEqual(expected);
});

test('a change of a run that is resumed is in its checkpoint, with all moments', async () => {
  const steady = await configOf({ est: { schedule: 'dense' } }, false);
  const changed = { ...steady, optimizer: { ...(steady.optimizer as object), weightDecay: 0.3 } };
  await trainUntil(3, steady);
  const settings = await configOf({ est: { schedule: 'dense' } }, true);
  await trainUntil(3, settings);
  const wanted = { ...settings, optimizer: { ...(settings.optimizer as object), weightDecay: 0.3 } };
  const options = { start: 'resume', changes: ['optimizer.weightDecay'] } as const;
  // Ended at once: the change is kept.
  const stop = AbortSignal.abort();
  await trainOn(2)(wanted, { ...options, signal: stop });
  const expected = (await train(changed, options)).fingerprint;
  expect((await trainOn(2)(wanted, options)).fingerprint).toEqual(expected);
});

test('a rank that ends takes its moments with it: the run goes on from the newest checkpoint', async () => {
  const settings = await configOf({ est: { schedule: 'dense' }, checkpoint: { every: 2 } }, true);
  const [first, second] = await pair();
  const following = follow(second, {
    onStep: (step) => {
      if (step === 5) throw new Error('its disk is broken');
    },
  });
  following.catch(() => {});
  const notes: string[] = [];
  const running = train(settings, { communicator: first, onNote: (note) => notes.push(note) });
  await expect(running).rejects.toMatchObject({ code: 'ERR_BURGEON_RANKS' });
  await following.catch(() => {});
  for (const each of [first, second]) each.close();
  expect(notes.join()).toMatch(
    /no checkpoint of step 5, whose moments are divided over ranks \(optimizer\.shard\); --resume goes on from step 4/,
  );
  const expected = (await train(await configOf({ est: { schedule: 'dense' } }, false))).fingerprint;
  expect((await train(settings, { start: 'resume' })).fingerprint).toEqual(expected);
});
