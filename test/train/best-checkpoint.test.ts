// What the best checkpoint is where a run goes on with other validation windows: decided on these, and nothing else changes.

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { loadDataset } from '../../lib/data/dataset.ts';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import { Model } from '../../lib/model/model.ts';
import { evaluate } from '../../lib/train/evaluator.ts';
import type { RunState } from '../../lib/train/run-state.ts';
import { type Outcome, prepareText, type Settings, tinyConfig, train, trainUntil } from './helpers.ts';

const stopAt = 6;

// Far too high a rate: the loss rises from some early step on, so that the best checkpoint is an old one.
async function stopped(overrides: Settings = {}) {
  const { data } = await prepareText();
  const settings = tinyConfig(data, path.join(data, '..', 'run'), {
    steps: 8,
    est: { schedule: 'dense' },
    optimizer: { learningRate: 0.5, warmupSteps: 6 },
    evaluation: { every: 1, windows: 4 },
    checkpoint: { every: 1, keepLast: 1 },
    ...overrides,
  });
  const { summary } = await trainUntil(stopAt, settings);
  return { settings, data, best: summary.bestStep! };
}

async function resumed(settings: Settings): Promise<Outcome & { notes: string[] }> {
  const notes: string[] = [];
  const outcome = await train(settings, { start: 'resume', onNote: (note) => notes.push(note) });
  return { ...outcome, notes };
}

async function stateOf(settings: Settings, step: number): Promise<RunState> {
  const checkpoint = await readCheckpoint(path.join(settings.output as string, `checkpoint-0000000${step}`));
  await checkpoint.close();
  return checkpoint.state as unknown as RunState;
}

async function lossOf(settings: Settings, step: number, data: string, windows: number): Promise<number> {
  using model = await Model.load(path.join(settings.output as string, `checkpoint-0000000${step}`), { threads: 1 });
  const dataset = await loadDataset({ directory: data });
  const { loss } = await evaluate(model, fixedWindows(dataset.validation!, 16, windows));
  await dataset.close();
  return loss;
}

describe('a run that goes on', () => {
  let undisturbed: Outcome['fingerprint'];
  beforeAll(async () => {
    const { settings } = await stopped();
    undisturbed = (await train(settings, { start: 'resume' })).fingerprint;
  });

  test('on the same windows keeps its best, without a word', async () => {
    const { settings, best } = await stopped();
    expect(best).toBeLessThan(stopAt);
    const before = await stateOf(settings, stopAt);
    const { notes, fingerprint } = await resumed(settings);
    expect(notes).toEqual([]);
    expect((await stateOf(settings, 8)).best).toEqual(before.best);
    expect(fingerprint).toEqual(undisturbed);
  });

  test.each([[1], [9]])('on %d windows has the loss of its best on these', async (windows) => {
    const { settings, data, best } = await stopped();
    const expected = await lossOf(settings, best, data, windows);
    const { notes, fingerprint, summary } = await resumed({ ...settings, evaluation: { every: 1, windows } });
    expect(notes).toEqual([
      expect.stringMatching(
        new RegExp(
          `^the best checkpoint so far, of step ${best}, .* on other .*, and has ${expected.toFixed(4)} on these$`,
        ),
      ),
    ]);
    expect(summary.bestStep).toBe(best);
    expect((await stateOf(settings, 8)).best!.loss).toBe(expected);
    expect(fingerprint).toEqual(undisturbed);
  });

  test('whose best checkpoint is gone decides anew', async () => {
    const { settings, best } = await stopped();
    await rm(path.join(settings.output as string, `checkpoint-0000000${best}`), { recursive: true });
    const { notes, records, summary } = await resumed({ ...settings, evaluation: { every: 1, windows: 9 } });
    expect(notes).toEqual([
      expect.stringMatching(/^the best checkpoint so far, .* is there no more: the next evaluation/),
    ]);
    const losses = records.map(({ validation }) => validation!.loss);
    expect(summary.bestStep).toBe(records[losses.indexOf(Math.min(...losses))]!.step);
  });
});
