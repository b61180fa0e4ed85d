// The shape of a model: plain data, validated once here, read by everyone else. A model is given as a preset's name, as
// a preset with some fields changed, or field by field.

import * as z from 'zod';
import { BurgeonError } from '../errors.ts';
import { integer, number, section, word } from './fields.ts';
import { modelPresetNames, modelPresets } from './presets.ts';
import { validate } from './validate.ts';

/** A GPT-2 architecture: pre-LN, learned positions, tanh GELU, biases, output head tied to the token embedding. */
export interface ModelConfig {
  architecture: 'gpt2';
  /** Number of transformer layers, L. */
  nLayer: number;
  /** Attention heads per layer, NH; divides nEmbd. */
  nHead: number;
  /** Embedding width, C. */
  nEmbd: number;
  /** MLP neurons per layer, F; 4 C unless given. */
  nInner: number;
  /** Longest sequence (number of learned positions), maxT. */
  contextLength: number;
  /** Vocabulary size, V. */
  vocabSize: number;
  /** Added to the variance in LayerNorm. */
  layerNormEpsilon: number;
}

/** A model whose vocabulary size may still have to come from the data. */
export type ModelSpec = Omit<ModelConfig, 'vocabSize'> & { vocabSize?: number };

/** GPT-2's. */
const defaultLayerNormEpsilon = 1e-5;

const sizeNames = ['nLayer', 'nHead', 'nEmbd', 'contextLength'] as const;

// The maxima are far above any GPT-2 and only there to catch slips such as a width given in bytes.
const modelFields = section(
  {
    preset: word(modelPresetNames)
      .exactOptional()
      .describe(`A model size to start from: ${modelPresetNames.join(', ')}. The other fields override it`),
    architecture: word(['gpt2']).default('gpt2').describe('Kind of model'),
    nLayer: integer(1, 1024).exactOptional().describe('Transformer layers, L. Required without a preset'),
    nHead: integer(1, 1024)
      .exactOptional()
      .describe('Attention heads per layer, NH; divides nEmbd. Required without a preset'),
    nEmbd: integer(1, 65_536).exactOptional().describe('Embedding width, C. Required without a preset'),
    nInner: integer(1, 1_048_576).exactOptional().describe('MLP neurons per layer, F. Default: 4 * nEmbd'),
    contextLength: integer(1, 1_048_576)
      .exactOptional()
      .describe('Longest sequence, the number of learned positions. Required without a preset'),
    vocabSize: integer(1, 16_777_216)
      .exactOptional()
      .describe("Vocabulary size, V. Default: the preset's, or the tokenizer's of the training data"),
    layerNormEpsilon: number('a number above 0 and below 1', (epsilon) => epsilon > 0 && epsilon < 1)
      .default(defaultLayerNormEpsilon)
      .describe('Added to the variance in LayerNorm'),
  },
  "a preset's name or a section of model fields",
);

/** The `model` section: checks it and turns it into a `ModelSpec`. */
export const modelSchema = z.preprocess(
  (input) => (typeof input === 'string' ? { preset: input } : input),
  modelFields.transform(({ preset, ...given }, context): ModelSpec => {
    const fields = { ...(preset === undefined ? {} : modelPresets[preset]), ...given };
    for (const name of sizeNames) {
      if (fields[name] !== undefined) continue;
      context.issues.push({
        code: 'custom',
        input: given,
        path: [name],
        message: `expected a value, received nothing; give it, or model.preset (${modelPresetNames.join(', ')})`,
      });
    }
    const { nLayer, nHead, nEmbd, contextLength } = fields;
    if (nLayer === undefined || nHead === undefined || nEmbd === undefined || contextLength === undefined) {
      return z.NEVER;
    }
    if (nEmbd % nHead !== 0) {
      context.issues.push({
        code: 'custom',
        input: nHead,
        path: ['nHead'],
        message: `expected a divisor of nEmbd (${nEmbd}), received ${nHead}`,
      });
    }
    const { architecture, nInner = 4 * nEmbd, layerNormEpsilon, vocabSize } = fields;
    const spec: ModelSpec = { architecture, nLayer, nHead, nEmbd, nInner, contextLength, layerNormEpsilon };
    if (vocabSize !== undefined) spec.vocabSize = vocabSize;
    return spec;
  }),
);

/**
 * Checks a model and fills in its defaults.
 * @param input a preset's name, `{ preset, ...overrides }`, or the fields of a ModelConfig.
 * @param dataVocabSize vocabulary size of the data, used where `input` gives none.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, listing every problem.
 */
export function parseModelConfig(input: unknown, dataVocabSize?: number): ModelConfig {
  return completeModel(validate(modelSchema, input, 'invalid model configuration'), dataVocabSize);
}

/**
 * Settles the vocabulary size of a model: its own, or else the data's. Its own may be larger than the data's (padding),
 * not smaller.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if there is none, or the data's tokens do not fit.
 */
export function completeModel(spec: ModelSpec, dataVocabSize?: number): ModelConfig {
  const vocabSize = spec.vocabSize ?? dataVocabSize;
  if (vocabSize === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      'model.vocabSize: expected a value, received nothing, and no data to take it from; give it, or training data',
    );
  }
  if (dataVocabSize !== undefined && vocabSize < dataVocabSize) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `model.vocabSize: expected at least the data's ${dataVocabSize}, received ${vocabSize}; leave it out to use the data's`,
    );
  }
  return { ...spec, vocabSize };
}
