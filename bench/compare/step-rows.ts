// The training steps that are compared: model, batch and EST stage. A letter is a dense step, 1 and 2 are the first two
// stages of EST's schedule for GPT-2.

import type { Rates } from '../../lib/est/rates.ts';

export interface StepRow {
  name: string;
  layers: number;
  heads: number;
  width: number;
  sequenceLength: number;
  batchSize: number;
  vocabSize: number;
  rates: Rates;
  /** Steps of one turn, in ms per step: short ones run a few back to back, as in training. */
  stepsPerTurn: number;
  /** PyTorch variants that run beside burgeon at a time: all of a large model would not fit in memory. */
  rivalsAtOnce: number;
}

export const precisions = ['fp32', 'bf16'] as const;
export type Precision = (typeof precisions)[number];

/** What a contender is asked to prepare. */
export interface StepRequest extends StepRow {
  precision: Precision;
  threads: number;
}

const stages: readonly [string, Rates][] = [
  ['', { heads: 1, neurons: 1, layers: 1 }],
  ['1', { heads: 0.5, neurons: 0.5, layers: 0.5 }],
  ['2', { heads: 0.5, neurons: 0.5, layers: 1 }],
];

const tiny = { layers: 4, heads: 4, width: 128, sequenceLength: 64, batchSize: 12, vocabSize: 65 };
const small = { layers: 6, heads: 6, width: 384, sequenceLength: 256, batchSize: 8, vocabSize: 65 };
const gpt2 = { layers: 12, heads: 12, width: 768, sequenceLength: 256, batchSize: 4, vocabSize: 50304 };
const models = {
  a: { ...tiny, stepsPerTurn: 5, rivalsAtOnce: 8 },
  b: { ...small, stepsPerTurn: 1, rivalsAtOnce: 8 },
  c: { ...small, vocabSize: 50304, stepsPerTurn: 1, rivalsAtOnce: 3 },
  d: { ...gpt2, stepsPerTurn: 1, rivalsAtOnce: 3 },
  e: { ...gpt2, sequenceLength: 1024, batchSize: 1, stepsPerTurn: 1, rivalsAtOnce: 3 },
};

export const stepRows: readonly StepRow[] = Object.entries(models).flatMap(([model, shape]) =>
  stages.map(([stage, rates]) => ({ name: model + stage, ...shape, rates })),
);

export const usualRows: readonly string[] = ['a', 'b', 'b1', 'c', 'd', 'd1', 'e'];

/** "b1: 6 layers, 6 heads, width 384, T 256, B 8, V 65, EST rates 0.5 0.5 0.5" */
export function describeRow(row: StepRow): string {
  const { heads, neurons, layers } = row.rates;
  const shape =
    `${row.name}: ${row.layers} layers, ${row.heads} heads, width ${row.width}, ` +
    `T ${row.sequenceLength}, B ${row.batchSize}, V ${row.vocabSize}`;
  return isDense(row) ? shape : `${shape}, EST: heads ${heads}, neurons ${neurons}, layers ${layers}`;
}

export function isDense({ rates }: StepRow): boolean {
  return rates.heads === 1 && rates.neurons === 1 && rates.layers === 1;
}
