// How large the checkpoints of a run are, and what is said or refused where they do not fit.

import { access } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { checkpointSpace, checkSpace } from '../../lib/train/checkpoint-space.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, tinyConfig, train } from './helpers.ts';

let data: string;
beforeAll(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  return prepared.remove;
});

const gib = 2 ** 30;

describe('checkpointSpace', () => {
  test.each([
    ['the newest, the best and the one being written', {}, 4],
    ['without the best', { keepBest: false, keepLast: 1 }, 2],
    ['no more than the run has steps', { keepLast: 1000 }, 20],
    ['no more than come by steps alone', { keepLast: 1000, every: 8, everyMinutes: 0 }, 3],
    ['one at the end', { everyMinutes: 0 }, 1],
  ])('%s', async (_, checkpoint, count) => {
    const output = path.join(await temporaryDirectory(), 'not', 'there', 'yet');
    const config = parseTrainConfig({ model: 'gpt2', output, steps: 20, batchSize: 1, checkpoint });
    const space = await checkpointSpace(parseModelConfig('gpt2'), config);
    expect(space).toEqual({ bytes: 12 * 124_439_808, count, available: expect.any(Number) });
  });
});

describe('checkSpace', () => {
  test('says nothing where all fit, or nobody knows', () => {
    expect(checkSpace({ bytes: gib, count: 4, available: 4 * gib }, 'run')).toBeUndefined();
    expect(checkSpace({ bytes: gib, count: 4, available: null }, 'run')).toBeUndefined();
  });

  test('says how many fit, and what to do', () => {
    expect(checkSpace({ bytes: gib, count: 4, available: 3.5 * gib }, 'run')).toBe(
      'checkpoints take 1.00 GiB each, and up to 4 of them are there at once; run has room for 3 (3.50 GiB): free some, or lower checkpoint.keepLast',
    );
  });

  test('refuses where not one fits', () => {
    expect(() => checkSpace({ bytes: gib, count: 4, available: gib / 2 }, 'run')).toThrow(
      'output run: expected room for a checkpoint of 1.00 GiB, found 512 MiB on its disk; free some, or choose another output',
    );
  });
});

describe('a run', () => {
  test('of which not one checkpoint fits any usual disk is refused before anything is touched', async () => {
    const output = path.join(await temporaryDirectory(), 'run');
    const model = { nLayer: 1024, nHead: 1, nEmbd: 65_536, nInner: 2 ** 20, contextLength: 16 };
    await expect(train(tinyConfig(data, output, { model, est: { schedule: 'dense' } }))).rejects.toMatchObject({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: expect.stringContaining(`output ${output}: expected room for a checkpoint of `),
    });
    await expect(access(output)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('whose checkpoints may not all fit says so and begins', async () => {
    const output = path.join(await temporaryDirectory(), 'run');
    const notes: string[] = [];
    const many = { steps: 1e12, checkpoint: { keepLast: 1e12 }, est: { schedule: 'dense' } };
    const { summary } = await train(tinyConfig(data, output, many), {
      signal: AbortSignal.abort(),
      onNote: (note) => notes.push(note),
    });
    expect(summary.steps).toBe(0);
    expect(notes).toEqual([expect.stringMatching(/^checkpoints take .* each, and up to 1000000000000 of them/)]);
  });
});
