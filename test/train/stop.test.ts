// What ends a run before its time: an error leaves the last good step, a signal stops between two micro-batches, and what was
// due is done later. Within one process; test/cli sends real signals.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { type MetricsLine, readMetrics } from '../../lib/train/metrics.ts';
import type { TrainerOptions } from '../../lib/train/trainer.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { type Outcome, prepareText, type Settings, tinyConfig, train, trainerOf } from './helpers.ts';

let data: string;
beforeEach(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  onTestFinished(prepared.remove);
});

async function config(overrides: Settings = {}): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'run');
  return { ...tinyConfig(data, output, overrides), output };
}

const checkpoints = async (output: string) =>
  (await readdir(output)).filter((name) => name.startsWith('checkpoint-')).map((name) => Number(name.slice(11)));

const linesOf = (output: string) => readMetrics(path.join(output, 'metrics.jsonl'));

/** Every token of the training data becomes one that the vocabulary does not have; returns what mends them. */
async function spoilData(): Promise<() => Promise<void>> {
  const shard = path.join(data, (await readdir(data)).find((name) => name.includes('_train_'))!);
  const whole = await readFile(shard);
  await writeFile(shard, Buffer.concat([whole.subarray(0, 1024), Buffer.alloc(whole.length - 1024, 0xff)]));
  return () => writeFile(shard, whole);
}

/** Trains on data that are spoilt, so that it fails after a step; the error, and what was said. */
async function failAfter(step: number, settings: Settings) {
  const notes: string[] = [];
  let mend = async () => {};
  // One micro-batch is read ahead: of several, the second fails.
  const spoiltAfter = settings.accumulationSteps === undefined ? step - 1 : step;
  const failing = train(settings, { onNote: (note) => notes.push(note) }, async (record) => {
    if (record.step === spoiltAfter) mend = await spoilData();
  });
  const error = await failing.then(
    () => undefined,
    (thrown) => thrown,
  );
  await mend();
  return { error, notes };
}

/** Trains, with a signal while the step after the given one is under way. */
function stopDuring(step: number, settings: Settings, options: TrainerOptions = {}): Promise<Outcome> {
  const controller = new AbortController();
  return train(settings, { ...options, signal: controller.signal }, (record) => {
    // The next step begins when this returns, and is under way when the callback comes.
    if (record.step === step - 1) setImmediate(() => controller.abort());
  });
}

describe('an error in a step', () => {
  test.each<[string, Settings]>([
    ['one micro-batch', {}],
    ['several, the second of which fails', { accumulationSteps: 3 }],
  ])('leaves a checkpoint of the step before, from which the run ends with the same bits: %s', async (_, overrides) => {
    const settings = await config(overrides);
    const { error, notes } = await failAfter(5, settings);
    expect(error).toMatchObject({ code: 'ERR_BURGEON_DATA' });
    const directory = path.join(settings.output, 'checkpoint-00000005');
    expect(notes).toEqual([`wrote ${directory}, the last good step; --resume goes on from there`]);
    expect((await linesOf(settings.output)).slice(-3)).toMatchObject([
      { kind: 'checkpoint', step: 5, directory },
      { kind: 'warning', step: 5, text: error.message },
      { kind: 'end', step: 5, state: 'failed' },
    ]);
    expect(await readdir(settings.output)).not.toContain('.burgeon.lock');
    const resumed = await train(settings, { start: 'resume' });
    expect(resumed.records[0]!.step).toBe(6);
    const undisturbed = await train(await config(overrides));
    expect(resumed.fingerprint).toEqual(undisturbed.fingerprint);
    expect(resumed.summary.stages.map(({ steps }) => steps)).toEqual(
      undisturbed.summary.stages.map(({ steps }) => steps),
    );
  });

  test('deletes no older checkpoint, whatever is to be kept', async () => {
    const settings = await config({ checkpoint: { every: 4, keepLast: 1, keepBest: false } });
    await failAfter(6, settings);
    expect(await checkpoints(settings.output)).toEqual([4, 6]);
  });

  test('after growth leaves none, as the weights are those of no step; the one before stays', async () => {
    const grows = {
      model: { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 },
      est: { schedule: [{ endStep: 6, layers: 0.5, choose: 'first' }, { transition: 'stack' }] },
    };
    const settings = await config({ ...grows, checkpoint: { every: 4 } });
    const { error, notes } = await failAfter(6, settings);
    expect(error).toMatchObject({ code: 'ERR_BURGEON_DATA' });
    expect(notes).toEqual([
      'no checkpoint of step 6, as the step after it has changed weights already; --resume goes on from step 4',
    ]);
    expect(await checkpoints(settings.output)).toEqual([4]);
    const resumed = await train(settings, { start: 'resume' });
    expect(resumed.fingerprint).toEqual((await train(await config(grows))).fingerprint);
  });

  test('that would come again leaves none: numbers that are not finite', async () => {
    const settings = await config({ optimizer: { learningRate: 1e30, minLearningRate: 1e30, warmupSteps: 0 } });
    const notes: string[] = [];
    await expect(train(settings, { onNote: (note) => notes.push(note) })).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
    });
    expect(notes).toEqual(['no checkpoint of step 1, after which numbers are not finite; there is none before it']);
    expect(await checkpoints(settings.output)).toEqual([]);
  });
});

describe('checkpoints', () => {
  test('come by the clock as well, and change nothing', async () => {
    const settings = await config({ checkpoint: { everyMinutes: 1e-9, keepLast: 100 } });
    const often = await train(settings);
    expect(await checkpoints(settings.output)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    const never = await config({ checkpoint: { everyMinutes: 0 } });
    expect(often.fingerprint).toEqual((await train(never)).fingerprint);
    expect(await checkpoints(never.output)).toEqual([15]);
    const evaluated = async (output: string) =>
      (await linesOf(output)).filter(({ kind }) => kind === 'validation').length;
    expect(await evaluated(settings.output)).toBe(await evaluated(never.output));
  });

  test('that cannot be written do not end the run before its end', async () => {
    const settings = await config({ checkpoint: { every: 5, keepLast: 3 } });
    // What is none of ours is never replaced.
    const blocked = path.join(settings.output, 'checkpoint-00000010');
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    const { records } = await train(settings, { onNote }, async ({ step }) => {
      if (step === 9) await mkdir(path.join(blocked, 'holiday pictures'), { recursive: true });
    });
    expect(records.filter(({ checkpoint }) => checkpoint !== undefined).map(({ step }) => step)).toEqual([5, 15]);
    expect(notes).toEqual([
      expect.stringMatching(/^no checkpoint of step 10: .*holiday pictures.*; training goes on, and tries again when/),
    ]);
    expect(await linesOf(settings.output)).toContainEqual({ kind: 'warning', step: 10, text: notes[0] });
  });
});

describe('a signal', () => {
  test('stops between two micro-batches, and the step is done again', async () => {
    const settings = await config({ accumulationSteps: 4 });
    const stopped = await stopDuring(5, settings);
    expect(stopped.records).toHaveLength(4);
    expect(await checkpoints(settings.output)).toEqual([4]);
    const resumed = await train(settings, { start: 'resume' });
    expect(resumed.records[0]!.step).toBe(5);
    expect(resumed.fingerprint).toEqual((await train(await config({ accumulationSteps: 4 }))).fingerprint);
  });

  test('lets a step be finished that has grown', async () => {
    const settings = await config({
      model: { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 },
      est: { schedule: [{ endStep: 6, layers: 0.5, choose: 'first' }, { transition: 'stack' }] },
      accumulationSteps: 4,
    });
    expect((await stopDuring(7, settings)).records).toHaveLength(7);
  });

  const everything = { evaluation: { every: 5, windows: 4 }, sample: { every: 5, length: 8 } };
  const isDue = ({ kind }: MetricsLine) => kind === 'validation' || kind === 'sample';
  const withoutTimes = (lines: readonly MetricsLine[]) =>
    lines.filter(isDue).map((line) => ({ ...line, ms: 0, trainSeconds: 0 }));

  test.each([5, 15])(
    'takes no time to evaluate and sample after step %d: that is done when the run goes on',
    async (step) => {
      const overrides = { ...everything, checkpoint: { every: 5, keepLast: 9 } };
      const settings = await config(overrides);
      const stopped = await stopDuring(step, settings);
      expect(stopped.records.at(-1)).toMatchObject({ step, checkpoint: expect.any(String) });
      expect((await linesOf(settings.output)).filter((line) => isDue(line) && line.step === step)).toEqual([]);
      expect((await linesOf(settings.output)).at(-1)).toMatchObject({ kind: 'end', step, state: 'stopped' });

      const resumed = await train(settings, { start: 'resume' });
      const undisturbed = await config(overrides);
      const { fingerprint, summary } = await train(undisturbed);
      expect(resumed.fingerprint).toEqual(fingerprint);
      const { validationLoss, bestStep } = summary;
      expect(resumed.summary).toMatchObject({ steps: 15, validationLoss, bestStep });
      expect(withoutTimes(await linesOf(settings.output))).toEqual(withoutTimes(await linesOf(undisturbed.output)));
      expect((await linesOf(settings.output)).at(-1)).toMatchObject({ kind: 'end', state: 'complete' });
      const last = await readCheckpoint(path.join(settings.output, 'checkpoint-00000015'));
      await last.close();
      expect(last.state).not.toHaveProperty('owed');
    },
  );

  test('twice in the same place owes it once', async () => {
    const settings = await config(everything);
    await stopDuring(5, settings);
    const { records } = await train(settings, { start: 'resume', signal: AbortSignal.abort() });
    expect(records).toEqual([]);
    await train(settings, { start: 'resume' });
    const due = (await linesOf(settings.output)).filter((line) => isDue(line) && line.step === 5);
    expect(due.map(({ kind }) => kind)).toEqual(['validation', 'sample']);
  });
});

describe('try and catch around a run', () => {
  test('sees what one who is given a line throws', async () => {
    const onLine = ({ kind }: MetricsLine) => kind === 'step' && fail();
    await expect(train(await config(), { onLine })).rejects.toThrow('not mine');
  });

  test('sees what a slow step has a timer find out', async () => {
    const settings = await config();
    const failing = train(settings, { onLine: ({ kind }) => kind === 'step' && fail() }, ({ step }) =>
      // Longer than the time after which lines are written; how much longer does not matter.
      step === 1 ? new Promise((resolve) => setTimeout(resolve, 500)) : undefined,
    );
    await expect(failing).rejects.toThrow('not mine');
    expect(await readdir(settings.output)).not.toContain('.burgeon.lock');
  });

  test('sees a run directory that has gone, once there is something to save', async () => {
    const settings = await config({ checkpoint: { everyMinutes: 0 } });
    await using trainer = trainerOf(settings);
    const run = async () => {
      for await (const { step } of trainer.run()) {
        if (step === 3) {
          await rm(settings.output, { recursive: true });
          await writeFile(settings.output, 'a file');
        }
      }
    };
    await expect(run()).rejects.toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
  });
});

function fail(): never {
  throw new Error('not mine');
}
