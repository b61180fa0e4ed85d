// Runs drawn at random, on one rank and on several, which stop and go on with others: always the same bits. BURGEON_RANDOM_RUNS: how many.
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, type Settings, tinyConfig, train } from '../train/helpers.ts';
import { trainOn } from './helpers.ts';

const runs = Number(process.env.BURGEON_RANDOM_RUNS ?? 3);

let prepared: Awaited<ReturnType<typeof prepareText>>;
beforeAll(async () => {
  prepared = await prepareText();
});
afterAll(() => prepared.remove());

function drawn(seed: number): Settings {
  const rng = new CounterRng(seed, 0x72756e73);
  const one = <Value>(...values: Value[]): Value => values[rng.nextBelow(values.length)]!;
  const width = { nEmbd: 16 * (1 + rng.nextBelow(2)), contextLength: 16 };
  const llama = { architecture: 'llama', nLayer: 4, nHead: 4, nKvHead: one(1, 2, 4), ...width };
  const gpt2 = { preset: 'gpt2-tiny', nLayer: 4, nHead: 2, ...width };
  const half = { endFraction: one(0.3, 0.6), layers: one(0.25, 0.5), choose: 'first' };
  return {
    model: one<Settings>(llama, gpt2),
    precision: one('float32', 'bf16'),
    seed,
    steps: 8,
    batchSize: one(2, 3, 4),
    accumulationSteps: one(2, 3, 4, 6, 12),
    optimizer: {
      learningRate: 3e-3,
      warmupSteps: 1,
      gradientClip: one(0, 0.3),
      schedule: one('cosine', 'wsd'),
      inactive: one('zero-grad', 'freeze'),
      shard: one(false, true),
    },
    est: {
      schedule: one<unknown>(
        'est-gpt2',
        'stack-4',
        'layer-dropout',
        'dense',
        [half, { transition: one('stack', 'repeat', 'middle') }],
        [{ endFraction: 0.5, heads: 0.5, neurons: one(0.3, 0.7), layers: 0.75 }, {}],
      ),
      groupsPerStep: one<unknown>('auto', 'sequence', 1, 2),
      neuronBlock: one(1, 4),
    },
    evaluation: { every: one(0, 3), windows: 5 },
    checkpoint: { every: one(0, 3) },
  };
}

test.each(Array.from({ length: runs }, (_, i) => [i + 1]))('run %i', async (seed) => {
  const settings = drawn(seed);
  const at = async () => tinyConfig(prepared.data, path.join(await temporaryDirectory(), 'run'), settings);
  const expected = (await train(await at())).fingerprint;
  const counts = [2, 3, 4].filter((ranks) => (settings.accumulationSteps as number) % ranks === 0);
  const ranks = (turn: number) => counts[(seed + turn) % counts.length]!;
  expect((await trainOn(ranks(0))(await at())).fingerprint).toEqual(expected);
  const stopped = await at();
  const stop = new AbortController();
  await trainOn(ranks(1))(stopped, { signal: stop.signal }, ({ step }) => {
    if (step === 1 + (seed % 7)) stop.abort();
  });
  const goesOn = seed % 2 === 0 ? train : trainOn(ranks(2));
  expect((await goesOn(stopped, { start: 'resume' })).fingerprint).toEqual(expected);
});
