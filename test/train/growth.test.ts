// Training by stages that grow: every preset trains, what was executed is what was planned, validation is of the part that
// is trained, and a run stopped anywhere, the first step of a stage included, ends with the same bits.

import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planSchedule } from '../../lib/est/plan.ts';
import { Schedule, type StageConfig, scheduleNames } from '../../lib/est/schedule.ts';
import { depthTransitions, momentTransitions, widthTransitions } from '../../lib/est/transition.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import type { StartMode } from '../../lib/train/run-directory.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import type { StepRecord } from '../../lib/train/trainer.ts';
import { prepareText, type Settings, tinyConfig, train } from './helpers.ts';

let data: string;
let remove: () => Promise<void>;
let runs = 0;

beforeAll(async () => {
  ({ data, remove } = await prepareText());
});
afterAll(() => remove());

/** Eight layers, so that every preset has its stages, and two heads of 8; 20 steps. */
function settings(overrides: Settings = {}): Settings {
  return tinyConfig(data, path.join(data, '..', `run-${runs++}`), {
    model: { nLayer: 8, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 },
    steps: 20,
    ...overrides,
  });
}

/** Steps whose record differs from the one of an undisturbed run; times do. */
function essence({ loss, learningRate, gradientNorm, active, stage, blockFlops, validation }: StepRecord) {
  return { loss, learningRate, gradientNorm, active, stage, blockFlops, validation: validation?.loss };
}

/** Trains with a stop after each of the given steps. */
async function trainInPieces(config: Settings, stops: readonly number[]) {
  const records: StepRecord[] = [];
  const piece = (start: StartMode, stop: number) => {
    const controller = new AbortController();
    return train(config, { start, signal: controller.signal }, (record) => {
      records.push(record);
      if (record.step >= stop) controller.abort();
    });
  };
  const [first = Infinity, ...others] = stops;
  let outcome = await piece('overwrite', first);
  for (const stop of [...others, Infinity]) outcome = await piece('resume', stop);
  return { ...outcome, records };
}

describe.each(scheduleNames)('%s', (schedule) => {
  test('trains, executes what is planned, and ends with the same bits when it is stopped', async () => {
    const config = settings({ est: { schedule }, evaluation: { every: 5, windows: 4 } });
    const { est, steps, batchSize, sequenceLength } = parseTrainConfig(config);
    const whole = await train(config);
    expect(whole.records).toHaveLength(steps);
    expect(whole.summary.validationLoss).toBeLessThan(whole.summary.initialValidationLoss!);

    const model = { nLayer: 8, nHead: 2, nEmbd: 16, nInner: 32, vocabSize: 1 };
    const plan = planSchedule(model, new Schedule(est.schedule, steps), {
      sequencesPerStep: batchSize,
      sequenceLength,
    });
    // Layers that are active by chance are planned by their mean.
    if (schedule === 'layer-dropout') expect(whole.summary.blockSaving).toBeGreaterThan(0.1);
    else expect(whole.summary.blockFlops / plan.blockFlops).toBeCloseTo(1, 12);

    const ends = new Schedule(est.schedule, steps).stages.map(({ endStep }) => endStep).filter((end) => end < steps);
    const pieces = await trainInPieces(
      config,
      [1, ...ends, ...ends.map((end) => end + 1)].sort((a, b) => a - b),
    );
    expect(pieces.fingerprint).toEqual(whole.fingerprint);
    expect(pieces.records.map(essence)).toEqual(whole.records.map(essence));
  });
});

describe('validation and samples', () => {
  test('are of the part that is trained, and lines say so', async () => {
    const config = settings({
      est: { schedule: 'stack-8' },
      evaluation: { every: 1, windows: 4 },
      sample: { every: 2, length: 4 },
    });
    await train(config);
    const lines = await readMetrics(path.join(config.output as string, 'metrics.jsonl'));
    const layers = lines.flatMap((line) => (line.kind === 'validation' ? (line.part?.layers ?? 8) : []));
    expect(layers).toEqual([1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8]);
    const sampled = lines.flatMap((line) => (line.kind === 'sample' ? (line.part?.layers ?? 8) : []));
    expect(sampled).toEqual([1, 2, 2, 4, 4, 4, 8, 8, 8, 8]);
  });

  test('of a stage of layers are those of a run of a model with as many layers', async () => {
    const schedule = [{ endStep: 6, layers: 0.5, choose: 'first' }, { transition: 'stack' }];
    const grown = await train(settings({ est: { schedule }, evaluation: { every: 3, windows: 4 } }));
    const small = await train(
      settings({
        model: { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 },
        est: { schedule: 'dense' },
        evaluation: { every: 3, windows: 4 },
      }),
    );
    // Initial weights are drawn tensor by tensor, and scaled by the depth, so only the form of the curve is the same.
    expect(grown.records[2]!.blockFlops).toBe(small.records[2]!.blockFlops);
    expect(grown.records[2]!.validation!.loss).toBeCloseTo(small.records[2]!.validation!.loss, 1);
  });
});

test('the learning rate climbs again after a transition that wants it', async () => {
  const transition = { layers: 'stack', warmupSteps: 4, warmupFrom: 0.2 };
  const schedule = [{ endStep: 10, layers: 0.5, choose: 'first' }, { transition }];
  const optimizer = { learningRate: 1e-2, schedule: 'constant' };
  const { records } = await train(settings({ est: { schedule }, optimizer }));
  const rates = records.slice(9, 15).map(({ learningRate }) => Number((learningRate * 100).toFixed(12)));
  expect(rates).toEqual([1, 0.4, 0.6, 0.8, 1, 1]);
});

test('any stages, stopped anywhere, end with the same bits', async () => {
  const rate = fc.constantFrom(0.25, 0.5, 0.75, 1);
  const choice = fc.constantFrom('first', 'uniform');
  const stage = fc.record(
    {
      heads: rate,
      neurons: fc.oneof(rate, fc.constant({ perLayer: [1, 0.25] })),
      layers: fc.oneof(rate, fc.constant([0.25, 1] as [number, number])),
      choose: fc.record({ heads: choice, neurons: choice, layers: choice }),
      groupsPerStep: fc.constantFrom(1, 'auto', 'sequence'),
      transition: fc.record({
        layers: fc.constantFrom(...depthTransitions),
        width: fc.constantFrom(...widthTransitions),
        moments: fc.constantFrom(...momentTransitions),
      }),
    },
    { requiredKeys: ['heads', 'neurons', 'layers', 'choose', 'transition'] },
  );
  const stages = fc.array(stage, { minLength: 2, maxLength: 3 });
  const inactive = fc.constantFrom('zero-grad', 'freeze');
  await fc.assert(
    fc.asyncProperty(stages, inactive, fc.uniqueArray(fc.integer({ min: 1, max: 8 })), async (drawn, kind, stops) => {
      const schedule = drawn.map(({ transition, ...rest }, i) => ({
        ...rest,
        endStep: 3 * (i + 1),
        ...(i > 0 && { transition }),
      })) as StageConfig[];
      const config = settings({
        est: { schedule },
        steps: 3 * drawn.length,
        optimizer: { learningRate: 3e-3, inactive: kind },
      });
      const whole = await train(config);
      const pieces = await trainInPieces(
        config,
        stops.sort((a, b) => a - b),
      );
      expect(pieces.fingerprint).toEqual(whole.fingerprint);
    }),
    { numRuns: 12 },
  );
}, 120_000);
