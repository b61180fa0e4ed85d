// Memory of stages: that of the part they train, and micro-batches of their own.

import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { planMemory } from '../../lib/model/native-options.ts';
import { checkStageMemory, planStageMemory } from '../../lib/train/stage-memory.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import { prepareText, tinyConfig, train } from './helpers.ts';

let data: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ data, remove } = await prepareText());
});
afterAll(() => remove());

const options = { device: 'cpu', threads: 1 } as const;
const model = parseModelConfig({ nLayer: 8, nHead: 2, nEmbd: 32, contextLength: 16, vocabSize: 50 });

function plan(schedule: unknown, accumulationSteps = 4) {
  const config = parseTrainConfig({
    model,
    output: 'run',
    steps: 20,
    batchSize: 2,
    accumulationSteps,
    est: { schedule },
  });
  return planStageMemory(model, config, options);
}

test('a stage takes what a model of its size would, and has room for more sequences at a time', () => {
  const stages = plan('stack-4');
  const small = planMemory({ ...model, nLayer: 2 }, 2, 16, options);
  expect(stages[0]!.memory.activations - small.activations).toBeLessThan(0.02 * small.activations);
  expect(stages[2]!.memory).toEqual(planMemory(model, 2, 16, { ...options, accumulationSteps: 4 }));
  expect(stages.map(({ stage, proposedBatchSize }) => [stage, proposedBatchSize])).toEqual([
    [1, 4],
    [2, 2],
    [3, 2],
  ]);
  expect(plan('stack-8')[0]!.proposedBatchSize).toBe(8);
});

test('stages that draw from all units take what the full model takes', () => {
  const [first] = plan('est-gpt2');
  expect(first!.memory).toEqual(planMemory(model, 2, 16, { ...options, accumulationSteps: 4 }));
});

test('larger micro-batches in an early stage read the same sequences, and learn the same up to rounding', async () => {
  const run = (first: object) =>
    train(
      tinyConfig(data, path.join(data, '..', JSON.stringify(first)), {
        model: { nLayer: 4, nHead: 2, nEmbd: 16, nInner: 32, contextLength: 16 },
        batchSize: 2,
        accumulationSteps: 4,
        steps: 8,
        est: { schedule: [{ endStep: 4, layers: 0.25, choose: 'first', ...first }, { transition: 'stack' }] },
      }),
    );
  const [plain, wide] = [await run({}), await run({ batchSize: 8 })];
  for (const [i, { loss, tokens }] of wide.records.entries()) {
    expect(loss).toBeCloseTo(plain.records[i]!.loss, 5);
    expect(tokens).toBe(plain.records[i]!.tokens);
  }
});

test('what cannot be is refused: sizes that do not divide a step, and stages that do not fit', () => {
  expect(() => plan([{ endStep: 5, layers: 0.5, choose: 'first', batchSize: 3 }, {}])).toThrow(
    'stage 1 of 2: batchSize: expected a divisor of batchSize * accumulationSteps (8), received 3',
  );
  const schedule = [{ endStep: 5, layers: 0.5, choose: 'first', batchSize: 2 ** 13 }, {}];
  const huge = { model: { ...model, contextLength: 4096 }, steps: 20, batchSize: 1, accumulationSteps: 2 ** 13 };
  const config = parseTrainConfig({ ...huge, output: 'run', est: { schedule } });
  expect(() => checkStageMemory(huge.model, config, options)).toThrow(
    /^stage 1 of the schedule: expected micro-batches that fit in .*, 8192 sequences take .*; batchSize: \d takes no more/,
  );
});
