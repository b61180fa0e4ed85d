// A run on two ranks: the bits of one on one rank, and what all are told where one fails. Both are of this process here;
// processes of their own are in launch.test.ts.
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { follow } from '../../lib/train/follow.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, type Settings, tinyConfig, train } from '../train/helpers.ts';
import { pair, trainOn, trainOnTwo } from './helpers.ts';

let prepared: Awaited<ReturnType<typeof prepareText>>;
beforeAll(async () => {
  prepared = await prepareText();
});
afterAll(() => prepared.remove());

async function config(overrides: Settings = {}): Promise<Settings> {
  return tinyConfig(prepared.data, path.join(await temporaryDirectory(), 'run'), {
    accumulationSteps: 4,
    ...overrides,
  });
}

const schedules: [string, Settings][] = [
  ['EST, drawn anew for every group', { est: { schedule: 'est-gpt2' } }],
  [
    'growth by stacked copies, clipped',
    { est: { schedule: 'stack' }, optimizer: { learningRate: 3e-3, gradientClip: 0.5 } },
  ],
  [
    'one group over all micro-batches, freeze',
    { est: { schedule: 'est-gpt2', groupsPerStep: 1 }, optimizer: { inactive: 'freeze' } },
  ],
  [
    'bf16, Llama',
    {
      model: { architecture: 'llama', nLayer: 4, nHead: 2, nKvHead: 1, nEmbd: 32, contextLength: 16 },
      precision: 'bf16',
      est: { schedule: 'raptr' },
    },
  ],
  ['Muon, growth by stacked copies', { est: { schedule: 'stack' }, optimizer: { type: 'muon', learningRate: 3e-3 } }],
  [
    'larger micro-batches in the first stage',
    {
      est: { schedule: [{ endFraction: 0.5, layers: 0.5, choose: 'first', batchSize: 8 }, { transition: 'stack' }] },
    },
  ],
];

describe('two ranks come to the bits of one', () => {
  test.each(schedules)('%s', async (_, overrides) => {
    const settings = { evaluation: { every: 5, windows: 7 }, ...overrides };
    const alone = await config(settings);
    const expected = await train(alone);
    const together = await config(settings);
    const outcome = await trainOnTwo(together);
    expect(outcome.fingerprint).toEqual(expected.fingerprint);
    const lines = async ({ output }: Settings) =>
      (await readMetrics(path.join(output as string, 'metrics.jsonl'))).flatMap((line) => {
        if (line.kind !== 'step' && line.kind !== 'validation') return [];
        const {
          ms: _ms,
          tokensPerSecond: _tokens,
          mfu: _mfu,
          rssBytes: _memory,
          trainSeconds: _s,
          ...rest
        } = line as unknown as Settings;
        return [rest];
      });
    expect(await lines(together)).toEqual(await lines(alone));
    // A run that was stopped on two goes on alone, and the other way round.
    for (const [begin, goOn] of [
      [trainOnTwo, train],
      [train, trainOnTwo],
    ] as const) {
      const stopped = await config(settings);
      const stop = new AbortController();
      await begin(stopped, { signal: stop.signal }, ({ step }) => {
        if (step === 6) stop.abort();
      });
      expect((await goOn(stopped, { start: 'resume' })).fingerprint).toEqual(expected.fingerprint);
    }
  });
});

test('any number of ranks that divides the micro-batches comes to the same, and goes on from any other', async () => {
  // 3 ranks have a pair each, and 2 three that are no whole subtree.
  const settings = { accumulationSteps: 6, batchSize: 2, steps: 5, threads: 1, est: { schedule: 'est-gpt2' } };
  const expected = (await train(await config(settings))).fingerprint;
  for (const ranks of [2, 3]) expect((await trainOn(ranks)(await config(settings))).fingerprint).toEqual(expected);
  const handedOn = await config(settings);
  for (const [ranks, last] of [
    [3, 2],
    [2, 4],
  ] as const) {
    const stop = new AbortController();
    await trainOn(ranks)(handedOn, { start: last === 2 ? 'new' : 'resume', signal: stop.signal }, ({ step }) => {
      if (step === last) stop.abort();
    });
  }
  expect((await trainOn(3)(handedOn, { start: 'resume' })).fingerprint).toEqual(expected);
});

describe('where something is wrong', () => {
  test('micro-batches that cannot be dealt are refused before anything is written', async () => {
    const settings = await config({ accumulationSteps: 3 });
    await expect(trainOnTwo(settings)).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message:
        '2 ranks: expected a number of micro-batches per step (accumulationSteps) that 2 divides, found 3; raise accumulationSteps and lower batchSize by the same factor',
    });
  });

  test('a number that is not finite on one rank stops both, and the last checkpoint stands', async () => {
    const settings = await config({ checkpoint: { every: 2 }, optimizer: { learningRate: 3e20, warmupSteps: 0 } });
    const [first, second] = await pair();
    const following = follow(second).catch((error: unknown) => error);
    const message = expect.stringMatching(/^step \d+ \(seed 3, rates .*not finite|finite number/);
    await expect(train(settings, { communicator: first })).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message,
    });
    expect(await following).toMatchObject({ code: expect.stringMatching(/NONFINITE|RANKS/) });
    first.close();
    second.close();
  });

  test('a signal to another rank stops all, with a checkpoint, and is named', async () => {
    const settings = await config();
    const [first, second] = await pair();
    const controller = new AbortController();
    const following = follow(second, {
      signal: controller.signal,
      onStep: (step) => {
        if (step === 4) controller.abort();
      },
    });
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    await train(settings, { communicator: first, onNote });
    expect(await following).toBe(false);
    expect(notes).toContain('asked to stop: rank 1');
    first.close();
    second.close();
    const lines = await readMetrics(path.join(settings.output as string, 'metrics.jsonl'));
    expect(lines.at(-1)).toMatchObject({ kind: 'end', state: 'stopped', step: 4 });
    const { fingerprint } = await train(settings, { start: 'resume' });
    expect(fingerprint).toEqual((await train(await config())).fingerprint);
  });

  test('a step that is made and not compared is not saved as the one before it', async () => {
    const settings = await config();
    const [first, second] = await pair();
    const following = follow(second);
    following.catch(() => {});
    const sum = first.sum.bind(first);
    let norms = 0;
    first.sum = (numbers, what) =>
      what === 'the gradient norms of a step' && ++norms === 5
        ? Promise.reject(new BurgeonError('ERR_BURGEON_RANKS', 'rank 1 ended'))
        : sum(numbers, what);
    const notes: string[] = [];
    const running = train(settings, { communicator: first, onNote: (note) => notes.push(note) });
    await expect(running).rejects.toMatchObject({ code: 'ERR_BURGEON_RANKS' });
    await following.catch(() => {});
    first.close();
    second.close();
    expect(notes.join()).toContain('no checkpoint of step 4, as the step after it has changed weights already');
    const { fingerprint } = await train(settings, { start: 'auto' });
    expect(fingerprint).toEqual((await train(await config())).fingerprint);
  });

  test('a rank that ends is named by the other, which keeps what was done', async () => {
    const settings = await config();
    const [first, second] = await pair();
    const following = follow(second, {
      onStep: (step) => {
        if (step === 4) throw new Error('its disk is broken');
      },
    });
    following.catch(() => {});
    await expect(train(settings, { communicator: first })).rejects.toMatchObject({
      code: 'ERR_BURGEON_RANKS',
      message: expect.stringMatching(/^rank 1 \(.+\): its disk is broken; rank 0 was waiting for rank 1 in /),
    });
    await expect(following).rejects.toThrow('its disk is broken');
    first.close();
    second.close();
    const { fingerprint } = await train(settings, { start: 'resume' });
    expect(fingerprint).toEqual((await train(await config())).fingerprint);
    const lines = await readMetrics(path.join(settings.output as string, 'metrics.jsonl'));
    expect(lines.find((line) => line.kind === 'end' && line.state === 'failed')).toMatchObject({ step: 4 });
  });
});
