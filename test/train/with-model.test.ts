// Using the model of a trainer while it trains: between steps, in turns, without a change to what is trained.

import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Model } from '../../lib/model/model.ts';
import type { TrainedPart } from '../../lib/train/what-is-trained.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, tinyConfig, train, trainerOf } from './helpers.ts';

let prepared: Awaited<ReturnType<typeof prepareText>>;
beforeAll(async () => {
  prepared = await prepareText();
});
afterAll(() => prepared.remove());

const config = async (overrides = {}) =>
  tinyConfig(prepared.data, path.join(await temporaryDirectory(), 'run'), {
    est: { schedule: [{ endFraction: 0.5, layers: 0.5, choose: 'first' }, { transition: 'stack' }] },
    ...overrides,
  });

async function generate(model: Model, { subnetwork, sequenceLength }: TrainedPart) {
  const tokens = [];
  for await (const token of model.generate([1, 2], { maxTokens: 5, subnetwork, sequenceLength })) tokens.push(token);
  return { tokens, layers: subnetwork?.layers?.length };
}

test('generating while a run goes on changes none of its bits', async () => {
  const plain = await train(await config());
  const texts: Promise<unknown>[] = [];
  const told = await train(await config(), {}, async (record, trainer) => {
    // Not awaited: the next step waits for it, or it for the step.
    texts.push(trainer.withModel(generate), trainer.withModel(generate));
    if (record.step === 3) await trainer.withModel(generate);
  });
  expect(told.fingerprint).toEqual(plain.fingerprint);
  const all = (await Promise.all(texts)) as Awaited<ReturnType<typeof generate>>[];
  expect(all).toHaveLength(30);
  for (const { tokens } of all) expect(tokens).toHaveLength(5);
  // What has not been trained yet takes no part.
  expect([all[0]!.layers, all[29]!.layers]).toEqual([1, undefined]);
});

test('the model may be used after the run, and not before it is open or after close', async () => {
  const trainer = trainerOf(await config({ steps: 1, est: { schedule: 'dense' } }));
  const closed = { code: 'ERR_BURGEON_DISPOSED' };
  await expect(trainer.withModel(generate)).rejects.toMatchObject(closed);
  for await (const _ of trainer.run());
  expect((await trainer.withModel(generate)).tokens).toHaveLength(5);
  await expect(trainer.withModel(async () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  await trainer.close();
  await expect(trainer.withModel(generate)).rejects.toMatchObject(closed);
});

test('a call in the midst of a step is refused with a word of withModel', async () => {
  await using trainer = trainerOf(await config({ steps: 1, est: { schedule: 'dense' } }));
  await trainer.open();
  const { model } = trainer;
  let refusal: Promise<unknown> | undefined;
  const accumulate = model.accumulate.bind(model);
  model.accumulate = (...args) => {
    const running = accumulate(...args);
    refusal = model.parameter('ln_f.weight').catch((error: unknown) => error);
    return running;
  };
  for await (const _ of trainer.run());
  expect(await refusal).toMatchObject({
    code: 'ERR_BURGEON_BUSY',
    message: expect.stringContaining('it belongs to a Trainer, whose withModel() waits for the end of the step'),
  });
});

test('a checkpoint may be asked for at any time, also within withModel', async () => {
  const settings = await config();
  const asked: Promise<string | undefined>[] = [];
  const { records } = await train(settings, {}, (record, trainer) => {
    if (record.step === 4)
      asked.push(
        trainer.withModel(() => trainer.checkpoint()),
        trainer.checkpoint(),
      );
  });
  expect(records).toHaveLength(15);
  const [inside, again] = await Promise.all(asked);
  expect(inside).toMatch(/checkpoint-00000004$/);
  expect(again).toBeUndefined();
});
