// Interrupted anywhere and resumed, a run ends with the same bits as without. Within one process here; test/cli kills
// real ones.

import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { prepareText, type Settings, someText, tinyConfig, train, trainUntil } from './helpers.ts';

let data: string;
beforeAll(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  return prepared.remove;
});

async function config(overrides: Settings = {}): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'run');
  return { ...tinyConfig(data, output, overrides), output };
}

const allSteps = Array.from({ length: 15 }, (_, i) => i + 1);

/** The steps of the lines of one kind in metrics.jsonl. */
async function loggedSteps(output: string, kind = 'step'): Promise<number[]> {
  const lines = await readMetrics(path.join(output, 'metrics.jsonl'));
  return lines.filter((line) => line.kind === kind).map(({ step }) => step);
}

// The stages end after steps 2, 7 and 15: before, at and after both ends, and right before the end of the run.
const interruptions = [1, 2, 3, 7, 10, 14];

describe.each<[string, Settings]>([
  ['zero-grad', { optimizer: { learningRate: 3e-3, warmupSteps: 2, inactive: 'zero-grad' } }],
  ['freeze', { optimizer: { learningRate: 3e-3, warmupSteps: 2, inactive: 'freeze' } }],
  ['accumulation', { accumulationSteps: 2 }],
])('%s', (_, overrides) => {
  let expected: Record<string, string>;
  beforeAll(async () => {
    const { data: own, remove } = await prepareText();
    expected = (await train(tinyConfig(own, path.join(own, '..', 'run'), overrides))).fingerprint;
    await remove();
  });

  test.each(interruptions)('stopped after step %d: same weights and moments in the end', async (step) => {
    const settings = await config(overrides);
    const stopped = await trainUntil(step, settings);
    expect(stopped.records.at(-1)!.step).toBe(step);
    expect(stopped.fingerprint).not.toEqual(expected);
    const { records, fingerprint } = await train(settings, { start: 'resume' });
    expect(records[0]!.step).toBe(step + 1);
    expect(fingerprint).toEqual(expected);
  });

  test('stopped again and again: the same, and totals and metrics as if nothing had happened', async () => {
    const settings = await config(overrides);
    for (const step of interruptions) await trainUntil(step, settings, { start: 'auto' });
    const { summary, fingerprint } = await train(settings, { start: 'resume' });
    expect(fingerprint).toEqual(expected);
    expect(summary).toMatchObject({ steps: 15, stages: [{ steps: 2 }, { steps: 5 }, { steps: 8 }] });
    expect(await loggedSteps(settings.output)).toEqual(allSteps);
    expect(await loggedSteps(settings.output, 'validation')).toEqual([0, 15]);
  });
});

describe('stopping', () => {
  test('leaves a checkpoint of the last step, which remembers the best', async () => {
    const settings = await config({ checkpoint: { every: 2 } });
    const { records, summary } = await trainUntil(5, settings);
    expect(records.at(-1)).toMatchObject({ step: 5 });
    expect(summary.steps).toBe(5);
    const checkpoint = await readCheckpoint(path.join(settings.output, 'checkpoint-00000005'));
    expect(checkpoint.state).toMatchObject({ step: 5, tokens: 5 * 64, best: { step: 4 } });
    await checkpoint.close();
  });

  test.each([4, 5])('during step %d finishes it and saves, without taking time to evaluate or sample', async (last) => {
    const controller = new AbortController();
    const settings = await config({ sample: { every: 2 }, checkpoint: { every: 2 } });
    const { records } = await train(settings, { signal: controller.signal }, ({ step }) => {
      // The next step begins when this returns, and is under way when the callback comes.
      if (step === last - 1) setImmediate(() => controller.abort());
    });
    expect(records).toHaveLength(last);
    expect(Object.keys(records[1]!)).toEqual(expect.arrayContaining(['validation', 'sample', 'checkpoint']));
    expect(records.at(-1)!.checkpoint).toBe(path.join(settings.output, `checkpoint-0000000${last}`));
    expect(records.at(-1)).not.toHaveProperty('validation');
    expect(records.at(-1)).not.toHaveProperty('sample');
  });

  test('before the first step leaves nothing to resume, and nothing in the way', async () => {
    const settings = await config();
    const { records, summary } = await train(settings, { signal: AbortSignal.abort() });
    expect(records).toEqual([]);
    expect(summary.steps).toBe(0);
    expect(await readdir(settings.output)).toEqual(['metrics.jsonl']);
    expect((await train(settings)).records).toHaveLength(15);
  });
});

describe('resuming', () => {
  test('a run that is complete does nothing, and says the same', async () => {
    const settings = await config();
    const first = await train(settings);
    const before = await readFile(path.join(settings.output, 'metrics.jsonl'), 'utf8');
    const again = await train(settings, { start: 'resume' });
    expect(again).toEqual({ ...first, records: [] });
    expect(await readFile(path.join(settings.output, 'metrics.jsonl'), 'utf8')).toBe(before);
  });

  test.each([
    ['a checkpoint', 'checkpoint', 10],
    ['the end', 'end', 15],
  ])('finds %s again whose line was lost to a kill', async (_, kind, step) => {
    const settings = await config({ checkpoint: { every: 5 } });
    const whole = await (step === 15 ? train(settings) : trainUntil(step, settings));
    const file = path.join(settings.output, 'metrics.jsonl');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const cut = lines.findIndex((line) => line.startsWith(`{"kind":"${kind}","step":${step},`));
    expect(cut).toBeGreaterThan(0);
    await writeFile(file, `${lines.slice(0, cut).join('\n')}\n`);
    const again = await train(settings, { start: 'resume' });
    const all = (await readMetrics(file)).filter((line) => line.kind === kind);
    expect(all.map((line) => line.step)).toEqual(kind === 'checkpoint' ? [5, 10, 15] : [15]);
    if (kind === 'end') {
      expect(again.records).toEqual([]);
      expect(all).toMatchObject([{ state: 'complete', summary: whole.summary }]);
    }
  });

  test('clears what a kill amid a checkpoint left, of a complete run too', async () => {
    const settings = await config();
    await train(settings);
    await mkdir(path.join(settings.output, '.tmp-checkpoint-00000015-0123abcd'));
    await train(settings, { start: 'resume' });
    expect((await readdir(settings.output)).sort()).toEqual(['checkpoint-00000015', 'metrics.jsonl']);
  });

  test('where nothing is: refused, unless it may begin', async () => {
    const settings = await config();
    await expect(train(settings, { start: 'resume' })).rejects.toThrow(
      `output ${settings.output}: expected an intact checkpoint to resume, found none`,
    );
    expect((await train(settings, { start: 'auto' })).records).toHaveLength(15);
  });

  test('passes over a torn checkpoint with a note, and replaces it later', async () => {
    const settings = await config({ checkpoint: { every: 5 } });
    const { fingerprint } = await train(settings);
    const torn = path.join(settings.output, 'checkpoint-00000015');
    await rm(path.join(torn, 'optimizer.safetensors'));
    const notes: string[] = [];
    const again = await train(settings, { start: 'resume', onNote: (note) => notes.push(note) });
    expect(notes).toEqual([expect.stringContaining(`passed over checkpoint ${torn}: `)]);
    expect(again.records.map(({ step }) => step)).toEqual([11, 12, 13, 14, 15]);
    expect(again.fingerprint).toEqual(fingerprint);
    await (await readCheckpoint(torn)).close();
    expect(await loggedSteps(settings.output)).toEqual(allSteps);
  });

  test('refuses a checkpoint with a flipped bit, where there is none before it', async () => {
    const settings = await config();
    await trainUntil(5, settings);
    const file = path.join(settings.output, 'checkpoint-00000005', 'optimizer.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 100]! ^= 1;
    await writeFile(file, bytes);
    await expect(train(settings, { start: 'resume' })).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining('optimizer.safetensors'),
    });
  });

  test.each(['resume', 'auto'] as const)('passes over it for the one before: %s', async (start) => {
    const settings = await config({ checkpoint: { every: 5 } });
    const { fingerprint } = await train(settings);
    const file = path.join(settings.output, 'checkpoint-00000015', 'model.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 100]! ^= 1;
    await writeFile(file, bytes);
    const notes: string[] = [];
    const again = await train(settings, { start, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([expect.stringMatching(/^passed over checkpoint .*model\.safetensors: expected SHA-256/)]);
    expect(again.records.map(({ step }) => step)).toEqual([11, 12, 13, 14, 15]);
    expect(again.fingerprint).toEqual(fingerprint);
  });

  test('refuses other settings, listing them, and takes those that decide nothing', async () => {
    const settings = await config();
    await trainUntil(5, settings);
    const other = { ...settings, seed: 9, est: { groupsPerStep: 1 } };
    await expect(train(other, { start: 'resume' })).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringMatching(
        /seed: the run has 3, the configuration 9\n {2}est.groupsPerStep: the run has "auto"/,
      ),
    });
    const harmless = { ...settings, threads: 2, evaluation: { every: 2, windows: 'all' }, checkpoint: { every: 3 } };
    expect((await train(harmless, { start: 'resume' })).fingerprint).toEqual((await train(await config())).fingerprint);
  });

  test.each<[string, (text: string) => string, RegExp]>([
    ['more of them', (text) => `${text}and then some.\n`, /with other training data: expected \d+ tokens, found \d+/],
    [
      'as many of other characters',
      (text) => text.replaceAll('r', 'x'),
      /as many tokens .* but not the same ones: another text, order or tokenizer/,
    ],
    // The last character of the vocabulary becomes a later one: the same ids.
    [
      'the same ids for other characters',
      (text) => text.replaceAll([...new Set(text)].sort().at(-1)!, '~'),
      /data of another tokenizer or vocabulary \(token 20 is ".*" in the model, "~" in the data/,
    ],
  ])('refuses other data: %s', async (_, change, message) => {
    const settings = await config();
    await trainUntil(5, settings);
    const other = await prepareText(change(someText()));
    onTestFinished(other.remove);
    const moved = { ...settings, data: { directory: other.data } };
    await expect(train(moved, { start: 'resume' })).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringMatching(message),
    });
  });

  test('works from a copy of the run elsewhere', async () => {
    const settings = await config();
    await trainUntil(5, settings);
    const copy = await config();
    await cp(settings.output, copy.output, { recursive: true });
    const resumed = await train(copy, { start: 'resume' });
    expect(resumed.fingerprint).toEqual((await train(settings, { start: 'resume' })).fingerprint);
  });
});
