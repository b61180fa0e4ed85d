// Runs planned and found: every problem before the first starts, and what a directory says of how far a run is.

import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { prepare } from '../../lib/prepare/prepare.ts';
import { expandRuns } from '../../lib/sweep/expand.ts';
import { type PlannedRun, planRuns } from '../../lib/sweep/plan-runs.ts';
import { readStatus } from '../../lib/sweep/run-status.ts';
import { parseSweep } from '../../lib/sweep/sweep-file.ts';
import { prepareText, type Settings, stageEnds, tinyConfig, train, trainUntil } from '../train/helpers.ts';

let data: string;
let remove: () => Promise<void>;
let directory: string;

beforeAll(async () => {
  ({ data, remove } = await prepareText());
  directory = path.join(path.dirname(data), 'runs');
});
afterAll(() => remove());
beforeEach(() => rm(directory, { recursive: true, force: true }));

const plan = (sweep: Settings = {}, base: Settings = {}) =>
  planRuns(
    expandRuns(parseSweep({ output: directory, base: tinyConfig(data, '', base), ...sweep }, 'x.yaml')),
    'x.yaml',
  );
const one = async (base: Settings = {}) => (await plan({}, base))[0]!;

describe('planRuns', () => {
  test('completes configurations, and plans what runs execute', async () => {
    const [dense, est] = await plan({ variants: { dense: { 'est.schedule': 'dense' }, est: {} } });
    expect(dense!.config).toMatchObject({ est: { schedule: 'dense' }, output: path.join(directory, 'dense', 'seed3') });
    expect(est!.plan.blockFlops / dense!.plan.blockFlops).toBeCloseTo(11 / 15, 12);
    expect(est!.parameters).toBeGreaterThan(20_000);
    expect(est!.trainData.tokens).toBeGreaterThan(1000);
    const { summary } = await train(est!.settings);
    expect({ block: summary.blockFlops, all: summary.allFlops }).toEqual({
      block: est!.plan.blockFlops,
      all: est!.plan.allFlops,
    });
  });

  test('tells every problem once, and who has it', async () => {
    const variants = {
      a: { est: { schedul: 'dense' } },
      b: { steps: 0 },
      c: { steps: 0 },
      d: { steps: 0 },
      e: { steps: 0 },
    };
    await expect(plan({ variants, seeds: [1, 2] }, { batchsize: 3 })).rejects.toThrow(
      [
        'invalid sweep in x.yaml:',
        'est.schedul: unknown key; did you mean est.schedule? (in a)',
        'batchsize: unknown key; did you mean batchSize? (in all runs)',
        'steps: expected an integer of at least 1, received 0 (in b, c and 2 more)',
      ].join('\n  '),
    );
  });

  test('refuses two names for one run', async () => {
    const variants = { a: {}, b: { est: { schedule: 'est-gpt2' } }, c: { threads: 2 } };
    await expect(plan({ variants, seeds: [1, 2] })).rejects.toThrow(
      'expected runs that differ, found the configuration of a again (in b, c)',
    );
  });

  test('looks at the data', async () => {
    await expect(plan({}, { data: { directory: 'none' } })).rejects.toThrow(
      'make a data set with `burgeon prepare FILE... -o none`',
    );
    await expect(plan({}, { model: { preset: 'gpt2-tiny', vocabSize: 3 } })).rejects.toThrow("at least the data's");
    const all = path.join(path.dirname(data), 'all');
    const input = path.join(path.dirname(data), 'text.txt');
    await prepare({ inputs: [input], output: all, tokenizer: 'chars', validationFraction: 0 });
    await expect(plan({}, { data: { directory: all } })).rejects.toThrow(
      'expected validation data, because runs are ranked',
    );
  });
});

/** Metrics of a run, rewritten line by line; a line without content is left out. */
async function rewrite(
  { directory: run }: PlannedRun,
  change: (line: Settings) => Settings | undefined,
): Promise<void> {
  const file = path.join(run, 'metrics.jsonl');
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const changed = lines.flatMap((line) => change(JSON.parse(line)) ?? []);
  await writeFile(file, changed.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

describe('readStatus', () => {
  test('new: nothing there, or nothing begun', async () => {
    const run = await one();
    expect(await readStatus(run)).toEqual({ state: 'new' });
    await mkdir(run.directory, { recursive: true });
    await writeFile(path.join(run.directory, 'config.yaml'), '');
    expect(await readStatus(run)).toEqual({ state: 'new' });
    await writeFile(path.join(run.directory, 'metrics.jsonl'), '{"kind":"sta');
    expect(await readStatus(run)).toEqual({ state: 'new' });
  });

  test('unfinished: goes on after its newest checkpoint', async () => {
    const run = await one();
    await trainUntil(5, run.settings);
    expect(await readStatus(run)).toEqual({ state: 'unfinished', step: 5 });
    await rm(path.join(run.directory, 'checkpoint-00000005'), { recursive: true });
    expect(await readStatus(run)).toEqual({ state: 'unfinished', step: 0 });
  });

  test('complete: with its result, also when the kill came before the last word', async () => {
    const run = await one();
    const { summary } = await train(run.settings);
    const complete = {
      state: 'complete',
      result: {
        loss: summary.validationLoss,
        blockFlops: summary.blockFlops,
        allFlops: summary.allFlops,
        seconds: expect.closeTo(summary.trainMs / 1000, 9),
        threads: 1,
      },
    };
    expect(await readStatus(run)).toEqual(complete);
    await rewrite(run, (line) => (['end', 'checkpoint'].includes(line.kind as string) ? undefined : line));
    expect(await readStatus(run)).toEqual(complete);
    // Metrics that lack the end are no result.
    await rewrite(run, (line) => (line.kind === 'validation' && line.step !== 0 ? undefined : line));
    expect(await readStatus(run)).toEqual({ state: 'unfinished', step: stageEnds[2] });
  });

  test('a run that was complete and lost its checkpoints is complete', async () => {
    const run = await one();
    await train(run.settings);
    await rm(path.join(run.directory, `checkpoint-000000${stageEnds[2]}`), { recursive: true });
    expect(await readStatus(run)).toMatchObject({ state: 'complete' });
  });

  test('failed: with the reason', async () => {
    const run = await one({ optimizer: { learningRate: 1e30 } });
    await expect(train(run.settings)).rejects.toThrow('finite');
    expect(await readStatus(run)).toMatchObject({ state: 'failed', reason: expect.stringContaining('finite') });
  });

  test('foreign: another configuration, by its key', async () => {
    await train((await one()).settings);
    const reasonOf = async (base: Settings) => {
      const status = await readStatus(await one(base));
      return 'reason' in status ? status.reason : status.state;
    };
    expect(await reasonOf({ steps: 20, optimizer: { learningRate: 3e-3, warmupSteps: 3 } })).toBe(
      'steps: the run has 15, the configuration 20; optimizer.warmupSteps: the run has 2, the configuration 3',
    );
    expect(await reasonOf({ evaluation: { every: 0, windows: 5 } })).toBe(
      'evaluation.windows: the run has 4, the configuration 5',
    );
    // What decides nothing may differ.
    const changes = { threads: 2, log: { every: 3 }, checkpoint: { every: 2 }, sample: { every: 9 }, device: 'cpu' };
    expect(await reasonOf({ ...changes, evaluation: { every: 7, windows: 4 } })).toBe('complete');
  });

  test('a run of a version that knew fewer keys is the same', async () => {
    const run = await one();
    await train(run.settings);
    await rewrite(run, (line) => {
      if (line.kind !== 'start') return line;
      const { precision: _, est, ...config } = line.config as { precision: string; est: Settings };
      const { layerScale: __, ...rest } = est;
      return { ...line, config: { ...config, est: rest } };
    });
    expect(await readStatus(run)).toMatchObject({ state: 'complete' });
  });

  test('foreign: other data under the same name, a key of no version, checkpoints without metrics', async () => {
    const run = await one();
    await train(run.settings);
    const metrics = path.join(run.directory, 'metrics.jsonl');
    const before = await readFile(metrics, 'utf8');
    await rewrite(run, (line) => (line.kind === 'start' ? { ...line, dataTokens: 5 } : line));
    expect(await readStatus(run)).toMatchObject({
      state: 'foreign',
      reason: expect.stringMatching(/^data: the run has 5 tokens/),
    });
    await writeFile(metrics, before.replace(/("sample":")[0-9a-f]{4}/, '$10123'));
    expect(await readStatus(run)).toMatchObject({
      state: 'foreign',
      reason: expect.stringMatching(/^data: the run has as many tokens .* but not the same ones/),
    });
    await writeFile(metrics, before.replaceAll('"batchSize"', '"batches"'));
    expect(await readStatus(run)).toMatchObject({
      state: 'foreign',
      reason: expect.stringContaining('batches: unknown key'),
    });
    await rewrite(run, (line) => (line.kind === 'start' ? undefined : line));
    expect(await readStatus(run)).toMatchObject({ state: 'foreign', reason: expect.stringContaining('does not say') });
    await rm(metrics);
    expect(await readStatus(run)).toEqual({ state: 'foreign', reason: 'checkpoints without metrics.jsonl' });
    await appendFile(metrics, before);
    expect(await readStatus(run)).toMatchObject({ state: 'complete' });
  });
});
