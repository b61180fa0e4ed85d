// The models whose whole steps are measured, and the steps: dense, and the stages of EST in two settings. Pure.

import { type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import type { Rates } from '../est/rates.ts';
import type { SamplerConfig } from '../est/sampler.ts';
import { groupsOf } from '../train/groups.ts';

export interface ModelRow {
  /** A letter, or the preset's name with batch and length. */
  name: string;
  config: ModelConfig;
  /** Sequences per step, B. */
  batchSize: number;
  /** Tokens per sequence, T. */
  sequenceLength: number;
}

/** One way to take an optimizer step. */
export interface StepVariant {
  /** "dense", "stage 1", "stage 2", a rate, or the first units: "L/4", "L/2", "width/2". */
  name: string;
  rates: Rates;
  /** Default: uniform. */
  choose?: SamplerConfig['choose'];
  /** Subnetworks per step. */
  groups: number;
  inactive: 'freeze' | 'zero-grad';
}

/** The vocabulary of presets that take theirs from the data: that of a text in characters. */
export const defaultVocabSize = 65;

const small = { nLayer: 6, nHead: 6, nEmbd: 384, contextLength: 256 };
const gpt2 = { preset: 'gpt2', vocabSize: 50304 };
const rows: Record<string, [model: object, batchSize: number, sequenceLength: number]> = {
  a: [{ nLayer: 4, nHead: 4, nEmbd: 128, contextLength: 64, vocabSize: 65 }, 12, 64],
  b: [{ ...small, vocabSize: 65 }, 8, 256],
  c: [{ ...small, vocabSize: 50304 }, 8, 256],
  d: [gpt2, 4, 256],
  e: [gpt2, 1, 1024],
  // What a GPU trains. h is f with the vocabulary of GPT-2's tokenizer, as runs have it: a multiple of nothing.
  f: [gpt2, 64, 1024],
  g: [{ preset: 'tinyllama-1.1b' }, 16, 2048],
  h: [{ preset: 'gpt2' }, 64, 1024],
};

export const modelRowNames: readonly string[] = Object.keys(rows);
export const defaultModelRows = (onDevice: boolean) => (onDevice ? 'f,h,g' : 'a,b');

/** A row for kernels that run on the host. */
export const tinyModelRow: ModelRow = {
  name: 'tiny',
  config: parseModelConfig({ nLayer: 2, nHead: 2, nEmbd: 64, nInner: 128, contextLength: 4, vocabSize: 64 }),
  batchSize: 4,
  sequenceLength: 4,
};

/**
 * The rows of letters like "a", "a,b" or "ab".
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a letter that names none.
 */
export function modelRows(letters: string): ModelRow[] {
  const names = [...new Set(letters.replaceAll(/[\s,]/g, ''))];
  const unknown = names.find((name) => !modelRowNames.includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `rows: expected letters of ${modelRowNames.join(', ')}, for example "a,b", received ${JSON.stringify(letters)}`,
    );
  }
  return names.map((name) => {
    const [model, batchSize, sequenceLength] = rows[name]!;
    return { name, config: parseModelConfig(model), batchSize, sequenceLength };
  });
}

/**
 * A row of a preset of lib/config/presets.ts.
 * @param shape batchSize defaults to 4, sequenceLength to the context length, vocabSize to the preset's or 65.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for an unknown preset or a length beyond its context.
 */
export function presetRow(
  preset: string,
  shape: { batchSize?: number; sequenceLength?: number; vocabSize?: number },
): ModelRow {
  const config = configOf(preset, shape.vocabSize);
  const { batchSize = 4, sequenceLength = config.contextLength } = shape;
  if (sequenceLength > config.contextLength) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `length: expected at most the ${config.contextLength} positions of ${preset}, received ${sequenceLength}`,
    );
  }
  const name = `${preset} V=${config.vocabSize} B=${batchSize} T=${sequenceLength}`;
  return { name, config, batchSize, sequenceLength };
}

function configOf(preset: string, vocabSize: number | undefined): ModelConfig {
  if (vocabSize !== undefined) return parseModelConfig({ preset, vocabSize });
  // Only used where the preset has none, but smaller than any that has one.
  return parseModelConfig(preset, defaultVocabSize);
}

const allFirst = { heads: 'first', neurons: 'first', layers: 'first' } as const;

/** Stages of first units: a share of the layers, and half of heads and neurons. */
const nested: [name: string, rates: Rates][] = [
  ['L/4', { heads: 1, neurons: 1, layers: 1 / 4 }],
  ['L/2', { heads: 1, neurons: 1, layers: 1 / 2 }],
  ['width/2', { heads: 1 / 2, neurons: 1 / 2, layers: 1 }],
];

/** The steps of a row. `rates` adds steps at these rates of heads, neurons and layers alike. */
export function stepVariants(batchSize: number, rates: readonly number[] = []): StepVariant[] {
  const groups = groupsOf(0, { batchSize, accumulationSteps: 1, groupsPerStep: 'auto' }).length;
  const sampled: [string, Rates][] = [
    ['stage 1', { heads: 0.5, neurons: 0.5, layers: 0.5 }],
    ['stage 2', { heads: 0.5, neurons: 0.5, layers: 1 }],
    ...rates.map((rate): [string, Rates] => [String(rate), { heads: rate, neurons: rate, layers: rate }]),
  ];
  return [
    { name: 'dense', rates: { heads: 1, neurons: 1, layers: 1 }, groups: 1, inactive: 'freeze' },
    ...sampled.map(([name, at]) => ({ name, rates: at, groups: 1, inactive: 'freeze' as const })),
    ...nested.map(([name, at]) => ({ name, rates: at, choose: allFirst, groups: 1, inactive: 'freeze' as const })),
    ...sampled.map(([name, at]) => ({ name, rates: at, groups, inactive: 'zero-grad' as const })),
  ];
}
