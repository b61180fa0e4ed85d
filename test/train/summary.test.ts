// The numbers at the end of a run, worked by hand: totals of steps, savings, and time against the dense rate.

import { expect, test } from 'vitest';
import { addToTotals, newRunState } from '../../lib/train/run-state.ts';
import { summarise } from '../../lib/train/summary.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

const config = parseTrainConfig({ model: 'gpt2-tiny', output: 'run', steps: 10, batchSize: 1 });

/** A step of a model whose dense block costs 80 and whose head costs 20. */
function step(stage: number, blockFlops: number, ms: number) {
  const allFlops = blockFlops + 20;
  return { stage, ms, blockFlops, allFlops, denseBlockFlops: 80, denseAllFlops: 100, isDense: blockFlops === 80 };
}

test('savings against the same steps dense, in FLOPs and in time', () => {
  const state = newRunState(config, { train: { tokens: 1000, sample: '', shards: null }, validation: null });
  for (const one of [step(1, 20, 6), step(1, 20, 4), step(2, 40, 7), step(3, 80, 9), step(3, 80, 11)]) {
    addToTotals(state.stages, one);
  }
  Object.assign(state, { step: 5, tokens: 160, initialValidationLoss: 5.5, lastValidationLoss: 2.5 });
  state.best = { step: 4, loss: 2.25 };

  const dense = { denseBlockFlops: 160, denseAllFlops: 200 };
  expect(summarise(state, 2.75)).toEqual({
    steps: 5,
    tokens: 160,
    initialValidationLoss: 5.5,
    validationLoss: 2.5,
    bitsPerByte: null,
    bigramLoss: 2.75,
    bestStep: 4,
    stages: [
      { stage: 1, steps: 2, ms: 10, blockFlops: 40, allFlops: 80, ...dense, denseSteps: 0, denseMs: 0 },
      {
        ...{ stage: 2, steps: 1, ms: 7, blockFlops: 40, allFlops: 60, denseBlockFlops: 80, denseAllFlops: 100 },
        ...{ denseSteps: 0, denseMs: 0 },
      },
      { stage: 3, steps: 2, ms: 20, blockFlops: 160, allFlops: 200, ...dense, denseSteps: 2, denseMs: 20 },
    ],
    blockFlops: 240,
    allFlops: 340,
    denseBlockFlops: 400,
    denseAllFlops: 500,
    blockSaving: 0.4, // 1 - 240 / 400
    allSaving: expect.closeTo(0.32, 12), // 1 - 340 / 500
    trainMs: 37,
    denseStepMs: 10, // (9 + 11) / 2
    timeSaving: 0.26, // 1 - 37 / (5 * 10)
  });
});

test('a loss in bits per byte, where the bytes of the text are known', () => {
  const state = newRunState(config, { train: { tokens: 1000, sample: '', shards: null }, validation: null });
  state.lastValidationLoss = 2;
  const validation = { targets: 64, sha256: '', bytes: 256 };
  // 2 nats for 4 bytes.
  const { bitsPerByte } = summarise(state, null, { tokenizer: null, text: null, validation });
  expect(bitsPerByte).toBeCloseTo(0.5 / Math.LN2, 12);
  expect(summarise(state, null).bitsPerByte).toBeNull();
});

test('a run without a dense step has no dense rate to compare with', () => {
  const state = newRunState(config, { train: { tokens: 1000, sample: '', shards: null }, validation: null });
  addToTotals(state.stages, step(1, 20, 6));
  expect(summarise(state, null)).toMatchObject({ denseStepMs: null, timeSaving: null, blockSaving: 0.75 });
});

test('a run without steps has saved nothing', () => {
  const nothing = { steps: 0, validationLoss: null, bestStep: null, blockSaving: 0, allSaving: 0, timeSaving: null };
  expect(
    summarise(newRunState(config, { train: { tokens: 1000, sample: '', shards: null }, validation: null }), null),
  ).toMatchObject(nothing);
});
