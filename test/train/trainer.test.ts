// The training loop on a tiny model: what it computes, against the model driven by hand; what it records; what it
// leaves on disk; and what it refuses. Interruption is resume.test.ts.

import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BatchLoader } from '../../lib/data/batch-loader.ts';
import { loadDataset } from '../../lib/data/dataset.ts';
import { allFlops, blockFlops, countFlopsFromCounts } from '../../lib/est/flops.ts';
import { planSchedule } from '../../lib/est/plan.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Schedule } from '../../lib/est/schedule.ts';
import { Model } from '../../lib/model/model.ts';
import { type MetricsLine, readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { allParameters, fingerprints } from '../helpers/models.ts';
import { relativeDifference } from '../helpers/tolerance.ts';
import { prepareText, type Settings, someText, stageEnds, tinyConfig, train, trainerOf } from './helpers.ts';

let data: string;
const vocabSize = new Set(someText()).size;
beforeAll(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  return prepared.remove;
});

/** The tiny configuration with an output directory of its own. */
async function config(overrides: Settings = {}): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'run');
  return { ...tinyConfig(data, output, overrides), output };
}

/** All weights after training. */
async function trained(settings: Settings) {
  await using trainer = trainerOf(settings);
  for await (const _ of trainer.run());
  return await allParameters(trainer.model);
}

describe('the gradient of a step', () => {
  // With a large epsilon the update is linear in the gradient, so that comparing weights compares gradients.
  const optimizer = {
    learningRate: 10,
    minLearningRate: 10,
    warmupSteps: 0,
    epsilon: 1,
    weightDecay: 0,
    gradientClip: 0,
  };

  test('is that of the plain mean loss: accumulating changes nothing but rounding', async () => {
    const dense = { est: { schedule: 'dense' }, optimizer, steps: 3 };
    const accumulated = await trained(await config({ ...dense, batchSize: 2, accumulationSteps: 4 }));
    const together = await trained(await config({ ...dense, batchSize: 8 }));
    using start = await Model.create(
      { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16, vocabSize },
      { seed: 3, threads: 1 },
    );
    for (const [name, values] of together) {
      const before = await start.parameter(name);
      const change = (after: ArrayLike<number>) => Float64Array.from(before, (value, i) => after[i]! - value);
      // Subtracting weights costs digits: a change of 1e-2 of a weight of 1 keeps five.
      expect(relativeDifference(change(accumulated.get(name)!), change(values)), name).toBeLessThan(1e-4);
    }
  });

  test('of a dense step is one call on the whole batch, bit for bit', async () => {
    const settings = await config({ est: { schedule: 'dense' }, steps: 2 });
    const expected = await byHand(settings, async (model, { tokens, targets }) => {
      await model.forwardBackward(tokens, targets, { batchSize: 4 });
    });
    expect(fingerprints(await trained(settings))).toEqual(expected);
  });

  test('of a sampled step is the mean over its groups, each on its own subnetwork', async () => {
    const rates = { heads: 0.5, neurons: 0.25, layers: 0.5 };
    const settings = await config({
      est: { schedule: [rates], groupsPerStep: 'sequence', layerScale: 'inverse' },
      steps: 2,
    });
    const expected = await byHand(settings, async (model, { tokens, targets }, step) => {
      const groups = [0, 1, 2, 3].map((group) => ({
        sequences: 1,
        subnetwork: {
          ...sampleSubnetwork({ ...model.config, rates }, { seed: 3, step, group }),
          layerScale: 2,
        },
      }));
      await model.forwardBackward(tokens, targets, { batchSize: 4, groups });
    });
    expect(fingerprints(await trained(settings))).toEqual(expected);
  });

  /** Two steps at the learning rates of the configuration, driven without the trainer. */
  async function byHand(
    settings: Settings,
    backward: (model: Model, batch: { tokens: Int32Array; targets: Int32Array }, step: number) => Promise<void>,
  ) {
    const dataset = await loadDataset({ directory: data });
    using model = await Model.create(
      { ...(settings.model as object), vocabSize: dataset.vocabSize! },
      { seed: 3, threads: 1 },
    );
    const loader = new BatchLoader(dataset.train, { batchSize: 4, sequenceLength: 16, seed: 3 });
    for (let step = 0; step < 2; step++) {
      await backward(model, await loader.batch(step), step);
      // Two steps of warm-up to 3e-3; the other values are the defaults.
      const lr = (3e-3 * (step + 1)) / 2;
      await model.optimizerStep({ lr, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, gradientClip: 1 });
    }
    await dataset.close();
    return fingerprints(await allParameters(model));
  }
});

describe('a run', () => {
  const sample = { every: 5, prompt: 'the ', length: 12 };

  test('passes through the stages, and counts what it executes', async () => {
    const settings = await config({ accumulationSteps: 2, evaluation: { every: 0, windows: 4 } });
    await using trainer = trainerOf(settings);
    const records = [];
    for await (const record of trainer.run()) records.push(record);

    const { config: model } = trainer.model;
    const counts = [
      { layers: 1, heads: 1, neurons: 64 },
      { layers: 2, heads: 1, neurons: 64 },
      { layers: 2, heads: 2, neurons: 128 },
    ];
    expect(records).toHaveLength(15);
    for (const record of records) {
      const stage = stageEnds.findIndex((end) => record.step <= end);
      const ledger = (active: (typeof counts)[number]) =>
        countFlopsFromCounts(model, { batchSize: 8, sequenceLength: 16, ...active });
      expect(record).toMatchObject({
        stage: stage + 1,
        active: counts[stage],
        groups: stage === 2 ? 1 : 4,
        tokens: record.step * 8 * 16,
        blockFlops: blockFlops(ledger(counts[stage]!)),
        allFlops: allFlops(ledger(counts[stage]!)),
        denseBlockFlops: blockFlops(ledger(counts[2]!)),
        denseAllFlops: allFlops(ledger(counts[2]!)),
      });
    }

    const plan = planSchedule(model, new Schedule('est-gpt2', 15), { sequencesPerStep: 8, sequenceLength: 16 });
    const { blockFlops: block, allFlops: all, blockSaving, allSaving, denseAllFlops } = plan;
    const { summary } = trainer;
    expect(summary).toMatchObject({ steps: 15, tokens: 15 * 128, blockFlops: block, allFlops: all, denseAllFlops });
    expect(summary.blockSaving).toBeCloseTo(blockSaving, 12);
    expect(summary.allSaving).toBeCloseTo(allSaving, 12);
    expect(summary.stages.map(({ stage, steps, denseSteps }) => [stage, steps, denseSteps])).toEqual([
      [1, 2, 0],
      [2, 5, 0],
      [3, 8, 8],
    ]);
  });

  test('writes to metrics.jsonl what it yields', async () => {
    const settings = await config({ sample, evaluation: { every: 4, windows: 4 }, checkpoint: { every: 6 } });
    const { records, summary } = await train(settings);
    const all = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    const lines = all.filter(({ kind }) => !['start', 'totals', 'end'].includes(kind));
    const first = lines.shift();
    expect(first).toMatchObject({ kind: 'validation', step: 0, loss: summary.initialValidationLoss, tokens: 4 * 16 });

    const expected = records.flatMap(({ validation, sample: text, checkpoint, ...line }) => [
      { kind: 'step', ...line },
      ...(validation
        ? [
            {
              kind: 'validation',
              step: line.step,
              ...validation,
              trainTokens: line.tokens,
              executedBlockFlops: line.executedBlockFlops,
              executedFlops: line.executedFlops,
              trainSeconds: line.trainSeconds,
            },
          ]
        : []),
      ...(text === undefined ? [] : [{ kind: 'sample', step: line.step, text }]),
      ...(checkpoint === undefined ? [] : [{ kind: 'checkpoint', step: line.step, directory: checkpoint }]),
    ]);
    expect(lines).toEqual(expected);

    // Evaluated when due, with every checkpoint, and at the end.
    const stepsWith = (key: 'validation' | 'sample' | 'checkpoint') =>
      records.filter((record) => record[key] !== undefined).map(({ step }) => step);
    expect(stepsWith('validation')).toEqual([4, 6, 8, 12, 15]);
    expect(stepsWith('sample')).toEqual([5, 10, 15]);
    expect(stepsWith('checkpoint')).toEqual([6, 12, 15]);
    expect(summary.validationLoss).toBe(records.at(-1)!.validation!.loss);
    expect(summary.validationLoss).toBeLessThan(summary.initialValidationLoss!);
  });

  test('says in metrics.jsonl what ran, what was trained how often, and how it ended', async () => {
    const settings = await config({
      evaluation: { every: 4, windows: 4 },
      checkpoint: { every: 6 },
      log: { peakFlops: 1e9 },
    });
    const heard: MetricsLine[] = [];
    const { records, summary } = await train(settings, { onLine: (line) => heard.push(line) });
    const lines = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    expect(lines).toEqual(JSON.parse(JSON.stringify(heard)));
    expect(lines[0]).toMatchObject({
      kind: 'start',
      step: 0,
      config: { seed: 3, output: settings.output },
      model: { nLayer: 2, vocabSize: 21 },
      data: {
        tokenizer: { name: 'chars' },
        text: { documents: 1, bytes: 8000, nearDuplicates: 0, validationFraction: 0.1 },
        validation: { targets: 4 * 16, bytes: 4 * 16 },
      },
      threads: 1,
      peakFlopsPerSecond: 1e9,
      peakFrom: 'declared',
      host: { node: process.version },
    });
    expect(lines.at(-1)).toMatchObject({ kind: 'end', step: 15, state: 'complete', summary });
    for (const { mfu, allFlops, ms } of records) expect(mfu).toBeCloseTo(allFlops / (ms / 1000) / 1e9, 9);
    const last = records.at(-1)!;
    expect(last.executedFlops).toBe(summary.allFlops);
    expect(last.executedBlockFlops).toBe(summary.blockFlops);
    expect(last.trainSeconds).toBeCloseTo(summary.trainMs / 1000, 9);
    expect(last.rssBytes).toBeGreaterThan(1e7);

    // Ends of stages (2, 7), evaluations, checkpoints.
    const totals = lines.filter((line) => line.kind === 'totals');
    expect(totals.map(({ step }) => step)).toEqual([2, 4, 6, 7, 8, 12, 15]);
    expect(totals[0]!.units.step.layers.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3); // one of two
    expect(totals.at(-1)!.units.step).toEqual({
      layers: [1, 1],
      heads: [
        [1, 1],
        [1, 1],
      ],
      neurons: [1, 1],
    });
    expect(totals.at(-1)!.stages).toEqual(summary.stages);
  });

  test('samples text that starts with the prompt and depends on nothing but the run', async () => {
    const [first, again] = [await train(await config({ sample })), await train(await config({ sample }))];
    const texts = first.records.flatMap(({ sample: text }) => text ?? []);
    expect(texts).toHaveLength(3);
    for (const text of texts) expect(text).toMatch(/^the [a-z .\n]{12}$/);
    expect(again.records.flatMap(({ sample: text }) => text ?? [])).toEqual(texts);
  });

  test('ends with the same bits for 1 and 2 threads, and for any evaluation, sampling and logging', async () => {
    const { fingerprint } = await train(await config({ threads: 1 }));
    const other = { threads: 2, evaluation: { every: 1, windows: 'all' }, sample, log: { every: 7 } };
    expect((await train(await config(other))).fingerprint).toEqual(fingerprint);
    expect((await train(await config({ seed: 4 }))).fingerprint).not.toEqual(fingerprint);
  });

  test('logs at intervals, and the last step', async () => {
    const settings = await config({ log: { every: 6 } });
    expect((await train(settings)).records).toHaveLength(15);
    const lines = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    expect(lines.filter(({ kind }) => kind === 'step').map(({ step }) => step)).toEqual([6, 12, 15]);
  });

  test('compares with a bigram model on the same windows', async () => {
    await using trainer = trainerOf(await config({ steps: 1 }), { bigramBaseline: true });
    await trainer.open();
    expect(trainer.summary.bigramLoss).toBeNull();
    for await (const _ of trainer.run());
    const loss = trainer.summary.bigramLoss;
    // Better than chance, and no better than a text of random words allows.
    expect(loss).toBeLessThan(trainer.summary.initialValidationLoss!);
    expect(loss).toBeGreaterThan(0.5);
  });
});

describe('checkpoints', () => {
  // Far too high a rate: the loss rises from some early step on, so that the best checkpoint is an old one.
  const rising = { optimizer: { learningRate: 0.3, schedule: 'constant', warmupSteps: 0 }, est: { schedule: 'dense' } };

  async function checkpointsLeft(checkpoint: Settings) {
    const settings = await config({ ...rising, steps: 8, checkpoint: { every: 1, ...checkpoint } });
    const { records, summary } = await train(settings);
    const losses = records.map(({ validation }) => validation!.loss);
    const best = 1 + losses.indexOf(Math.min(...losses));
    expect(summary.bestStep).toBe(best);
    expect(best).toBeLessThan(6);
    const names = (await readdir(settings.output)).filter((name) => name.startsWith('checkpoint-'));
    return { best, steps: names.map((name) => Number(name.slice(-8))).sort((a, b) => a - b) };
  }

  test('the newest stay, and the best', async () => {
    const { best, steps } = await checkpointsLeft({ keepLast: 2 });
    expect(steps).toEqual([best, 7, 8]);
  });

  test('the newest only', async () => {
    const { steps } = await checkpointsLeft({ keepLast: 3, keepBest: false });
    expect(steps).toEqual([6, 7, 8]);
  });

  test('hold the weights of their step', async () => {
    const settings = await config({ checkpoint: { every: 10 } });
    let expected: Record<string, string> = {};
    await train(settings, {}, async ({ step }, trainer) => {
      if (step === 10) expected = fingerprints(await allParameters(trainer.model));
    });
    using model = await Model.load(path.join(settings.output, 'checkpoint-00000010'), { threads: 1 });
    expect(fingerprints(await allParameters(model))).toEqual(expected);
  });
});

describe('starting', () => {
  const isFree = (output: string) => expect(access(path.join(output, '.burgeon.lock'))).rejects.toThrow('ENOENT');

  test('new refuses where a run is; overwrite replaces it', async () => {
    const settings = await config({ steps: 3, seed: 3 });
    await train(settings);
    await expect(train(settings)).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining('found a checkpoint at step 3'),
    });
    const { records, fingerprint } = await train({ ...settings, seed: 5 }, { start: 'overwrite' });
    expect(records).toHaveLength(3);
    expect(fingerprint).toEqual((await train(await config({ steps: 3, seed: 5 }))).fingerprint);
    const lines = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    expect(lines.filter(({ kind, step }) => kind === 'step' && step === 1)).toHaveLength(1);
  });

  test('a refused overwrite deletes nothing', async () => {
    const settings = await config({ steps: 1 });
    await train(settings);
    const unfit = { ...settings, model: { ...(settings.model as object), vocabSize: 5 } };
    await expect(train(unfit, { start: 'overwrite' })).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining("model.vocabSize: expected at least the data's"),
    });
    expect(await readdir(settings.output)).toContain('checkpoint-00000001');
    await isFree(settings.output);
  });

  test('one trainer at a time in a directory', async () => {
    const settings = await config();
    await using first = trainerOf(settings);
    await first.open();
    await expect(train(settings)).rejects.toMatchObject({ code: 'ERR_BURGEON_BUSY' });
  });

  test.each<[string, Settings, string, RegExp]>([
    ['without data', { data: {} }, 'ERR_BURGEON_CONFIG', /data: expected data.directory .* or data.train/],
    ['without files', { data: { directory: 'none' } }, 'ERR_BURGEON_DATA', /none.manifest.json: expected the manifest/],
    [
      'with sequences longer than the validation data',
      { model: { preset: 'gpt2-tiny', contextLength: 4096 } },
      'ERR_BURGEON_DATA',
      /sequence length of 4096 takes 4097 consecutive tokens/,
    ],
    [
      'with a prompt that the vocabulary cannot encode',
      { sample: { every: 5, prompt: 'ROMEO:' } },
      'ERR_BURGEON_CONFIG',
      /sample.prompt: character "R" \(U\+0052\)/,
    ],
    ['with a wrong key', { batchsize: 3 }, 'ERR_BURGEON_CONFIG', /batchsize: unknown key; did you mean batchSize\?/],
  ])('%s is refused before anything is written', async (_, overrides, code, message) => {
    const settings = await config(overrides);
    await expect(train(settings)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(access(settings.output)).rejects.toThrow('ENOENT');
  });

  test('token files of unknown tokenizer train, but do not sample', async () => {
    const files = { train: path.join(data, '*_train_*.bin') };
    const model = { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16, vocabSize };
    const sampling = await config({ data: files, model, sample: { every: 5 } });
    await expect(train(sampling)).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringMatching(/sample.every: expected 0, .* tokenizer of these token files is not known/),
    });
    const { summary, fingerprint } = await train(await config({ data: files, model }));
    // The same tokens, and so the same training; there is nothing to evaluate on.
    expect(fingerprint).toEqual((await train(await config({ model }))).fingerprint);
    expect(summary).toMatchObject({ initialValidationLoss: null, validationLoss: null, bestStep: null });
  });

  test('a vocabulary padded beyond the tokenizer can be trained and sampled', async () => {
    const model = { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16, vocabSize: 64 };
    const { records } = await train(await config({ model, steps: 1, sample: { every: 1, length: 100 } }));
    // An untrained model chooses tokens that stand for nothing, too.
    expect(records[0]!.sample).toMatch(/^[a-z .\n\ufffd]{100}$/);
    expect(records[0]!.sample).toContain('\ufffd');
  });
});

describe('leaving', () => {
  test('a checkpoint can be asked for between two steps', async () => {
    const settings = await config({ steps: 5 });
    const asked: (string | undefined)[] = [];
    await train(settings, {}, async ({ step }, trainer) => {
      if (step === 3) for (let i = 0; i < 2; i++) asked.push(await trainer.checkpoint());
    });
    expect(asked).toEqual([path.join(settings.output, 'checkpoint-00000003'), undefined]);
    using model = await Model.load(asked[0]!, { threads: 1 });
    expect(model.config.nEmbd).toBe(32);
  });

  test('breaking out of the loop leaves no checkpoint; the run can be gone on with', async () => {
    const settings = await config();
    await using trainer = trainerOf(settings);
    for await (const { step } of trainer.run()) if (step === 4) break;
    expect(trainer.step).toBe(4);
    expect(trainer.isComplete).toBe(false);
    expect((await readdir(settings.output)).sort()).toEqual(['.burgeon.lock', 'metrics.jsonl']);
    const steps = [];
    for await (const { step } of trainer.run()) steps.push(step);
    expect(steps).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(trainer.isComplete).toBe(true);
  });

  test('closing frees model and directory, as often as one likes', async () => {
    const settings = await config({ steps: 2 });
    const trainer = trainerOf(settings);
    for await (const _ of trainer.run());
    const { model } = trainer;
    // Another process may enter once the run is over; the model stays.
    expect(await readdir(settings.output)).not.toContain('.burgeon.lock');
    expect((await model.parameter('wte.weight')).length).toBeGreaterThan(0);
    expect((await trainer.run().next()).done).toBe(true);
    await trainer.close();
    await trainer.close();
    expect(await readdir(settings.output)).not.toContain('.burgeon.lock');
    await expect(model.parameter('wte.weight')).rejects.toMatchObject({ code: 'ERR_BURGEON_DISPOSED' });
    await expect(trainer.open()).rejects.toMatchObject({ code: 'ERR_BURGEON_DISPOSED' });
    // What was achieved can still be asked for.
    expect(trainer.summary.steps).toBe(2);
  });

  test('nothing is there before open', () => {
    const trainer = trainerOf(tinyConfig(data, 'unused'));
    for (const key of ['model', 'step', 'summary', 'peak', 'isComplete'] as const) {
      expect(() => trainer[key], key).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_DISPOSED' }));
    }
  });
});

describe('numbers that are not finite', () => {
  test('stop the run with what is needed to replay the step; the last checkpoint stands', async () => {
    const settings = await config({ checkpoint: { every: 2 }, est: { schedule: 'est-gpt2', groupsPerStep: 2 } });
    const poison = train(settings, {}, async ({ step }, { model }) => {
      if (step === 5) await model.setParameter('ln_f.weight', new Float32Array(32).fill(Number.NaN));
    });
    await expect(poison).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: expect.stringMatching(
        /^step 6 \(seed 3, rates {"heads":0.5,"neurons":0.5,"layers":1}\): loss: expected a finite number/,
      ),
    });
    using model = await Model.load(path.join(settings.output, 'checkpoint-00000004'), { threads: 1 });
    for (const [name, values] of await allParameters(model)) expect(values.every(Number.isFinite), name).toBe(true);
    const lines = await readMetrics(path.join(settings.output, 'metrics.jsonl'));
    expect(lines.slice(-2)).toMatchObject([
      { kind: 'warning', step: 5, text: expect.stringContaining('step 6 (seed 3, rates') },
      { kind: 'end', step: 5, state: 'failed' },
    ]);
    const { fingerprint } = await train(settings, { start: 'resume' });
    expect(fingerprint).toEqual(
      (await train({ ...settings, output: path.join(await temporaryDirectory(), 'run') })).fingerprint,
    );
  });

  test('an absurd learning rate is found out in the next step, or in the evaluation before it', async () => {
    const absurd = { optimizer: { learningRate: 1e30, minLearningRate: 1e30, warmupSteps: 0 } };
    await expect(train(await config(absurd))).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: expect.stringMatching(/^step 2 \(seed 3, .*lower learning rate/),
    });
    const settings = await config({ ...absurd, evaluation: { every: 1, windows: 4 }, checkpoint: { every: 1 } });
    await expect(train(settings)).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: expect.stringMatching(/^after step 1 \(seed 3\): evaluation loss: expected a finite number/),
    });
    // Weights that cannot be evaluated are not kept.
    expect(await readdir(settings.output)).toEqual(['metrics.jsonl']);
  });
});

test('the tokenizer of the data travels with the checkpoint', async () => {
  const settings = await config({ steps: 1 });
  await train(settings);
  const file = path.join(settings.output, 'checkpoint-00000001', 'burgeon_tokenizer.json');
  expect(JSON.parse(await readFile(file, 'utf8')).characters.join('')).toBe([...new Set(someText())].sort().join(''));
});
