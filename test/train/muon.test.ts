// A run with Muon: what is logged, checkpoints that hold what there is, the same bits however often it is stopped, growth
// included, and a change of the optimizer.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countNewtonSchulzFlops } from '../../lib/est/newton-schulz.ts';
import { planSchedule } from '../../lib/est/plan.ts';
import { Schedule } from '../../lib/est/schedule.ts';
import { openSafetensors } from '../../lib/formats/safetensors.ts';
import { checkpointSpace } from '../../lib/train/checkpoint-space.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import { planUpdates } from '../../lib/train/update-plan.ts';
import { prepareText, type Settings, tinyConfig, train, trainUntil } from './helpers.ts';

let data: string;
let remove: () => Promise<void>;
let runs = 0;
beforeAll(async () => {
  ({ data, remove } = await prepareText());
});
afterAll(() => remove());

const model = { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 };
const muon = { type: 'muon', learningRate: 1e-2 };

function settings(overrides: Settings = {}): Settings & { output: string } {
  const output = path.join(data, '..', `muon-${runs++}`);
  const config = { model, est: { schedule: 'dense' }, optimizer: muon, steps: 12, ...overrides };
  return { ...tinyConfig(data, output, config), output };
}

test('learns, tells what it computed, and keeps one moment of matrices', async () => {
  const schedule = [{ endStep: 4, layers: 0.5, choose: 'first' }, {}];
  const config = settings({ est: { schedule } });
  const { summary, records } = await train(config);
  expect(summary.validationLoss).toBeLessThan(summary.initialValidationLoss! - 0.1);
  const steps = (await readMetrics(path.join(config.output, 'metrics.jsonl'))).filter((line) => line.kind === 'step');
  const half = countNewtonSchulzFlops({ ...model, nLayer: 2 });
  expect(steps.map(({ newtonSchulzFlops }) => newtonSchulzFlops)).toEqual([
    ...Array(4).fill(half),
    ...Array(8).fill(2 * half),
  ]);
  // They are in none of the other figures.
  const adamw = await train(settings({ est: { schedule }, optimizer: { learningRate: 1e-2 } }));
  expect(records.map(({ allFlops }) => allFlops)).toEqual(adamw.records.map(({ allFlops }) => allFlops));
  expect(adamw.records.every((record) => !('newtonSchulzFlops' in record))).toBe(true);

  const file = await openSafetensors(path.join(config.output, 'checkpoint-00000012', 'optimizer.safetensors'));
  const names = [...file.tensors.keys()];
  await file.close();
  const missing = names.filter((name) => name.startsWith('m/') && !names.includes(name.replace('m/', 'v/')));
  expect([...new Set(missing.map((name) => name.replace(/.*h\.\d+\./, '')))].sort()).toEqual([
    'attn.c_attn.weight',
    'attn.c_proj.weight',
    'mlp.c_fc.weight',
    'mlp.c_proj.weight',
  ]);
  const shape = JSON.parse(await readFile(path.join(config.output, 'checkpoint-00000012', 'config.json'), 'utf8'));
  // As planned.
  const parsed = parseTrainConfig(config);
  const shaped = { ...parsed.model, vocabSize: shape.vocab_size };
  const { sequenceLength, batchSize, accumulationSteps } = parsed;
  const { stages } = planSchedule(shaped, new Schedule(parsed.est.schedule, parsed.steps), {
    sequenceLength,
    sequencesPerStep: batchSize * accumulationSteps,
  });
  expect(planUpdates(shaped, parsed, stages)).toEqual([
    { stage: 1, newtonSchulzFlops: half, share: (4 * half) / stages[0]!.allFlops },
    { stage: 2, newtonSchulzFlops: 2 * half, share: (16 * half) / stages[1]!.allFlops },
  ]);
  expect(
    planUpdates(shaped, parseTrainConfig(settings({ optimizer: { learningRate: 1e-2 } })), stages),
  ).toBeUndefined();
  const space = await checkpointSpace(
    { ...parseTrainConfig(config).model, vocabSize: shape.vocab_size },
    parseTrainConfig(config),
  );
  let bytes = 0;
  for (const name of ['optimizer', 'model']) {
    bytes += (await stat(path.join(config.output, 'checkpoint-00000012', `${name}.safetensors`))).size;
  }
  // Headers aside.
  expect(bytes - space.bytes).toBeGreaterThan(0);
  expect(bytes - space.bytes).toBeLessThan(20_000);
});

test('ends with the same bits wherever it is stopped, whatever grows', async () => {
  const transitions = [
    { layers: 'stack', moments: 'copy' },
    { layers: 'repeat', moments: 'zero' },
    { layers: 'stack', width: 'split', moments: 'copy' },
    'zero-out',
  ];
  const schedules = transitions.map((transition) => [
    { endStep: 4, layers: 0.5, heads: 0.5, neurons: 0.5, choose: 'first' },
    { endStep: 8, heads: 0.5, neurons: 0.5, choose: 'first', transition: 'stack' },
    { transition },
  ]);
  const sampled = [{ endStep: 6, layers: 0.5, heads: 0.5, neurons: 0.5, groupsPerStep: 1 }, {}];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...schedules, sampled),
      fc.constantFrom('freeze', 'zero-grad'),
      fc.integer({ min: 1, max: 11 }),
      async (schedule, inactive, stop) => {
        const overrides = { est: { schedule }, optimizer: { ...muon, inactive } };
        const whole = await train(settings(overrides));
        const stopped = settings(overrides);
        await trainUntil(stop, stopped);
        expect((await train(stopped, { start: 'resume' })).fingerprint).toEqual(whole.fingerprint);
      },
    ),
    { numRuns: 8, seed: 26 },
  );
});

describe('another optimizer', () => {
  test.each([
    ['adamw', 'muon'],
    ['muon', 'adamw'],
  ])('from %s to %s is refused, and on purpose begins moments of matrices anew', async (from, to) => {
    const config = settings({ optimizer: { ...muon, type: from } });
    await trainUntil(5, config);
    const other = { ...config, optimizer: { ...muon, type: to } };
    await expect(train(other, { start: 'resume' })).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining(
        `optimizer.type: the run has "${from}", the configuration "${to}"`,
      ) as unknown as string,
    });
    const { records, summary } = await train(other, { start: 'resume', changes: ['optimizer.type'] });
    expect(records).toHaveLength(7);
    expect(summary.validationLoss).toBeLessThan(summary.initialValidationLoss!);
    const file = await openSafetensors(path.join(config.output, 'checkpoint-00000012', 'optimizer.safetensors'));
    expect([...file.tensors.keys()].some((name) => name.startsWith('v/') && name.endsWith('mlp.c_fc.weight'))).toBe(
      to === 'adamw',
    );
    await file.close();
  });
});
