// A run that is changed on purpose: goes on, longer or with a lower rate, and ends with the same bits as one that had the
// change from its beginning, where that is the same, however often it is interrupted afterwards.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import type { TrainerOptions } from '../../lib/train/trainer.ts';
import { prepareText, type Settings, tinyConfig, train, trainerOf, trainUntil } from './helpers.ts';

let data: string;
beforeAll(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  return prepared.remove;
});

interface RunSettings extends Settings {
  output: string;
}

let runs = 0;
function newRun(overrides: Settings = {}): RunSettings {
  const output = path.join(path.dirname(data), `run-${runs++}`);
  return { ...tinyConfig(data, output, overrides), output };
}

/** The stages of est-gpt2 over 15 steps, in steps. */
const schedule = [{ endStep: 2, heads: 0.5, neurons: 0.5, layers: 0.5 }, { endStep: 7, heads: 0.5, neurons: 0.5 }, {}];
const constant = { learningRate: 3e-3, warmupSteps: 2, schedule: 'constant' };
const lower = { ...constant, learningRate: 1e-3 };

const resume = (changes: string[], rest: TrainerOptions = {}): TrainerOptions => ({
  start: 'resume',
  changes,
  ...rest,
});

const changeLines = async ({ output }: RunSettings) =>
  (await readMetrics(path.join(output, 'metrics.jsonl'))).filter((line) => line.kind === 'change');

async function stateOf({ output }: RunSettings, step: number): Promise<Record<string, unknown>> {
  const directory = path.join(output, `checkpoint-${String(step).padStart(8, '0')}`);
  return JSON.parse(await readFile(path.join(directory, 'burgeon_state.json'), 'utf8'));
}

describe('more steps', () => {
  test.each<[string, number, Settings]>([
    ['complete, at a constant rate', 10, constant],
    ['stopped, at a constant rate', 5, constant],
    ['stopped before the decay of wsd', 6, { ...constant, schedule: 'wsd' }],
  ])('%s: the bits of a run that was that long from the start', async (_, stop, optimizer) => {
    const settings = newRun({ steps: 10, est: { schedule }, optimizer });
    await trainUntil(stop, settings);
    const { records, fingerprint, summary } = await train({ ...settings, steps: 15 }, resume(['steps']));
    const whole = await train({ ...settings, steps: 15, output: newRun().output });
    expect(records.map(({ step }) => step)).toEqual(Array.from({ length: 15 - stop }, (_, i) => stop + i + 1));
    expect(fingerprint).toEqual(whole.fingerprint);
    expect(summary).toMatchObject({ steps: 15, stages: [{ steps: 2 }, { steps: 5 }, { steps: 8 }] });
    expect(await changeLines(settings)).toEqual([{ kind: 'change', step: stop, key: 'steps', from: 10, to: 15 }]);
    expect(await stateOf(settings, 15)).toMatchObject({ changes: [{ step: stop, key: 'steps', from: 10, to: 15 }] });
  });

  test('with stages in fractions, once they are given in steps', async () => {
    const settings = newRun({ optimizer: constant });
    await train(settings);
    const longer = { ...settings, steps: 20 };
    await expect(train(longer, resume(['steps']))).rejects.toThrow(
      'stage 1 ended after step 2 and would end after step 3',
    );
    const { fingerprint } = await train({ ...longer, est: { schedule } }, resume(['steps', 'est.schedule']));
    const whole = await train({ ...longer, est: { schedule }, output: newRun().output });
    expect(fingerprint).toEqual(whole.fingerprint);
  });

  test('not on purpose, a complete run does nothing, or refuses', async () => {
    const settings = newRun({ est: { schedule: 'dense' } });
    await train(settings);
    expect((await train(settings, resume(['steps', 'optimizer']))).records).toEqual([]);
    expect(await changeLines(settings)).toEqual([]);
    const longer = { ...settings, steps: 20 };
    await expect(train(longer, { start: 'resume' })).rejects.toThrow('on purpose: --resume --set steps=20');
    await expect(train(longer, resume(['optimizer']))).rejects.toThrow('steps: the run has 15, the configuration 20');
  });
});

test('stages still to come may move', async () => {
  const [first, second] = schedule;
  const settings = newRun({ est: { schedule } });
  await trainUntil(5, settings);
  const est = { schedule: [first, { ...second, endStep: 12 }, {}] };
  const { fingerprint } = await train({ ...settings, est }, resume(['est.schedule']));
  expect(fingerprint).toEqual((await train(newRun({ est }))).fingerprint);
});

describe('another learning rate', () => {
  let expected: Record<string, string>;
  let unchanged: Record<string, string>;
  /** Stopped after five steps, with a checkpoint. */
  async function stopped(): Promise<RunSettings> {
    const settings = newRun({ optimizer: constant });
    await trainUntil(5, settings);
    return settings;
  }
  const rate = resume(['optimizer.learningRate']);

  beforeAll(async () => {
    expected = (await train({ ...(await stopped()), optimizer: lower }, rate)).fingerprint;
    unchanged = (await train(await stopped(), { start: 'resume' })).fingerprint;
    expect(expected).not.toEqual(unchanged);
  });

  test('holds from the next step on, and the record says so', async () => {
    const settings = await stopped();
    const notes: string[] = [];
    const { records } = await train({ ...settings, optimizer: lower }, { ...rate, onNote: (note) => notes.push(note) });
    expect(records.map(({ learningRate }) => learningRate)).toEqual(Array(10).fill(1e-3));
    expect(notes).toEqual([
      'optimizer.learningRate changed from 0.003 to 0.001 after step 5',
      'optimizer.minLearningRate changed from 0.0003 to 0.0001 after step 5',
    ]);
    const lines = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    const start = lines.findLastIndex(({ kind }) => kind === 'start');
    expect(lines.slice(start, start + 4)).toMatchObject([
      { kind: 'start', step: 5, config: { optimizer: { learningRate: 1e-3 } } },
      { kind: 'change', step: 5, key: 'optimizer.learningRate', from: 3e-3, to: 1e-3 },
      { kind: 'change', step: 5, key: 'optimizer.minLearningRate', to: 1e-4 },
      { kind: 'step', step: 6 },
    ]);
  });

  test.each<[string, Settings, TrainerOptions]>([
    ['with the configuration as it was', { optimizer: constant }, { start: 'resume' }],
    ['with the change again', { optimizer: lower }, rate],
    ['with the changed configuration', { optimizer: lower }, { start: 'resume' }],
  ])('stays when the run is stopped and goes on %s', async (_, overrides, options) => {
    const settings = await stopped();
    for (const step of [6, 9, 12]) {
      await trainUntil(
        step,
        step === 6 ? { ...settings, optimizer: lower } : { ...settings, ...overrides },
        step === 6 ? rate : options,
      );
    }
    const notes: string[] = [];
    const { fingerprint } = await train(
      { ...settings, ...overrides },
      { ...options, onNote: (note) => notes.push(note) },
    );
    expect(fingerprint).toEqual(expected);
    expect(await changeLines(settings)).toHaveLength(2);
    expect(notes.slice(0, 1)).toEqual(
      overrides.optimizer === constant
        ? ['optimizer.learningRate stays 0.001, as changed after step 5; the configuration has 0.003']
        : [],
    );
  });

  test('stays when the process ends before its next checkpoint, even before its first step', async () => {
    const settings = await stopped();
    const trainer = trainerOf({ ...settings, optimizer: lower }, rate);
    await trainer.open();
    await trainer.close();
    // Left without a checkpoint, as by a kill.
    await using killed = trainerOf(settings, { start: 'resume' });
    for await (const { step } of killed.run()) if (step === 8) break;
    await killed.close();
    const { records, fingerprint } = await train(settings, { start: 'resume' });
    expect(records[0]).toMatchObject({ step: 6, learningRate: 1e-3 });
    expect(fingerprint).toEqual(expected);
    // Three processes went on from step 5; each begins with what was changed there.
    expect((await changeLines(settings)).map(({ step }) => step)).toEqual(Array(6).fill(5));
  });

  test('can be taken back', async () => {
    const settings = await stopped();
    const trainer = trainerOf({ ...settings, optimizer: lower }, rate);
    await trainer.open();
    await trainer.close();
    expect((await train(settings, rate)).fingerprint).toEqual(unchanged);
    expect((await stateOf(settings, 15)).changes).toHaveLength(4);
  });

  test('lets a run that diverged go on', async () => {
    const settings = await stopped();
    const absurd = { ...settings, optimizer: { ...constant, learningRate: 1e30 } };
    await expect(train(absurd, rate)).rejects.toMatchObject({ code: 'ERR_BURGEON_NONFINITE' });
    // As it is, it diverges again.
    await expect(train(settings, { start: 'resume' })).rejects.toMatchObject({ code: 'ERR_BURGEON_NONFINITE' });
    const { fingerprint, summary } = await train({ ...settings, optimizer: lower }, rate);
    expect(fingerprint).toEqual(expected);
    expect(summary.steps).toBe(15);
    expect((await stateOf(settings, 15)).changes).toMatchObject([
      { from: 3e-3, to: 1e30 },
      {},
      { from: 1e30, to: 1e-3 },
      {},
    ]);
  });

  test('in a run that is over says what is missing, and leaves it as it is', async () => {
    const settings = newRun({ optimizer: constant });
    await train(settings);
    const before = await stateOf(settings, 15);
    await expect(train({ ...settings, optimizer: lower }, rate)).rejects.toThrow(
      'the run is complete, set steps as well',
    );
    expect(await stateOf(settings, 15)).toEqual(before);
  });
});

test('a checkpoint of an earlier version, without keys that were added since, goes on', async () => {
  const settings = newRun();
  await trainUntil(5, settings);
  const directory = path.join(settings.output, 'checkpoint-00000005');
  const checkpoint = await readCheckpoint(directory);
  const { changes: _, precision: __, ...state } = checkpoint.state;
  const { accumulationSteps: ___, ...config } = state.config as Record<string, object>;
  const { layerScale: ____, ...est } = config.est as Record<string, unknown>;
  const earlier = path.join(path.dirname(settings.output), 'earlier');
  await writeCheckpoint(earlier, 5, { ...checkpoint, state: { ...state, config: { ...config, est } } });
  await checkpoint.close();
  const moved = { ...settings, output: earlier };
  expect((await train(moved, { start: 'resume' })).fingerprint).toEqual(
    (await train(settings, { start: 'resume' })).fingerprint,
  );
  expect(await stateOf(moved, 15)).toMatchObject({
    changes: [],
    precision: 'float32',
    config: { est: { layerScale: 'none' } },
  });
});

test('another precision is refused, also where the device would choose it', async () => {
  const settings = newRun();
  await trainUntil(5, settings);
  await expect(train({ ...settings, precision: 'bf16' }, resume(['precision']))).rejects.toThrow(
    'precision: the run has "float32", the configuration "bf16"\n',
  );
  expect((await train({ ...settings, precision: 'float32' }, { start: 'resume' })).records).toHaveLength(10);
});
