// The shape of a model: plain data, validated once here, read by everyone else. A model is given as a preset's name, as
// a preset with some fields changed, or field by field. What an architecture means to the engine is architecture.ts.

import * as z from 'zod';
import { BurgeonError } from '../errors.ts';
import { flag, integer, type JsonShape, number, section, word } from './fields.ts';
import type { ModelConfig } from './model-shape.ts';
import { modelPresetNames, modelPresets } from './presets.ts';
import { requireInteger } from './require.ts';
import { ropeScalingSchema } from './rope.ts';
import { validate } from './validate.ts';

export type { Gpt2Config, LlamaConfig, ModelConfig, Qwen2Config } from './model-shape.ts';

type WithOpenVocabulary<Config> = Config extends ModelConfig
  ? Omit<Config, 'vocabSize'> & { vocabSize?: number }
  : never;

/** A model whose vocabulary size may still have to come from the data. */
export type ModelSpec = WithOpenVocabulary<ModelConfig>;

export const architectures = ['gpt2', 'llama', 'qwen2'] as const;

const epsilon = () => {
  const range = { exclusiveMinimum: 0, exclusiveMaximum: 1 };
  return number('a number above 0 and below 1', (input) => input > 0 && input < 1, range).exactOptional();
};

// The maxima are far above any model trained here and only there to catch slips such as a width given in bytes.
const modelFields = section(
  {
    preset: word(modelPresetNames)
      .meta({ 'x-type': 'ModelPresetName' })
      .exactOptional()
      .describe(`A model size to start from: ${modelPresetNames.join(', ')}. The other fields override it`),
    architecture: word(architectures).exactOptional().describe("Kind of model. Default: the preset's, or gpt2"),
    nLayer: integer(1, 1024).exactOptional().describe('Transformer layers, L. Required without a preset'),
    nHead: integer(1, 1024)
      .exactOptional()
      .describe('Attention heads per layer, NH; divides nEmbd. Required without a preset'),
    nEmbd: integer(1, 65_536).exactOptional().describe('Embedding width, C. Required without a preset'),
    nInner: integer(1, 1_048_576)
      .exactOptional()
      .describe(
        'MLP neurons per layer, F. Default: 4 * nEmbd; llama and qwen2: 8/3 * nEmbd, rounded up to a multiple of 32',
      ),
    contextLength: integer(1, 1_048_576)
      .exactOptional()
      .describe('Longest sequence, the number of positions. Required without a preset'),
    vocabSize: integer(1, 16_777_216)
      .exactOptional()
      .describe("Vocabulary size, V. Default: the preset's, or the tokenizer's of the training data"),
    layerNormEpsilon: epsilon().describe('gpt2: added to the variance in LayerNorm. Default: 1e-5'),
    nKvHead: integer(1, 1024)
      .exactOptional()
      .describe('llama, qwen2: key and value heads, KV, each shared by nHead / nKvHead query heads. Default: nHead'),
    headSize: integer(2, 1024).exactOptional().describe('llama, qwen2: width of a head, even. Default: nEmbd / nHead'),
    rmsNormEpsilon: epsilon().describe('llama, qwen2: added to the mean square in RMSNorm. Default: 1e-5, qwen2: 1e-6'),
    ropeTheta: number('a number above 1', (input) => input > 1, { exclusiveMinimum: 1 })
      .exactOptional()
      .describe('llama, qwen2: base of the rotary angles. Default: 10000'),
    ropeScaling: ropeScalingSchema
      .exactOptional()
      .describe(
        'llama, qwen2: stretches the rotary angles, {type: linear, factor} or {type: llama3, ...}. Default: not',
      ),
    tiedHead: flag()
      .exactOptional()
      .describe('llama, qwen2: whether the output head is the token embedding. Default: false'),
    attentionBias: flag().exactOptional().describe('llama: biases in the projections of attention. Default: false'),
    mlpBias: flag().exactOptional().describe('llama: biases in the MLP. Default: false'),
  },
  "a preset's name or a section of model fields",
);

type Fields = z.output<typeof modelFields>;
type Report = (name: keyof Fields, message: string) => void;

const sizeNames = ['nLayer', 'nHead', 'nEmbd', 'contextLength'] as const;
const rotaryNames = ['nKvHead', 'headSize', 'rmsNormEpsilon', 'ropeTheta', 'ropeScaling', 'tiedHead'] as const;
/** Fields that not every architecture has. */
const ownNames: Readonly<Record<ModelConfig['architecture'], readonly (keyof Fields)[]>> = {
  gpt2: ['layerNormEpsilon'],
  llama: [...rotaryNames, 'attentionBias', 'mlpBias'],
  qwen2: rotaryNames,
};

const modelShape: JsonShape = {
  'x-expected': "a preset's name or a section of model fields",
  'x-words': modelPresetNames,
  'x-type': 'ModelConfigInput',
};

/** The `model` section: checks it and turns it into a `ModelSpec`. */
export const modelSchema = z
  .preprocess(
    (input) => (typeof input === 'string' ? { preset: input } : input),
    modelFields.transform(({ preset, ...given }, context): ModelSpec => {
      const fields: Fields = { ...(preset === undefined ? {} : modelPresets[preset]), ...given };
      const { architecture = 'gpt2' } = fields;
      let failed = false;
      const report: Report = (name, message) => {
        failed = true;
        context.issues.push({ code: 'custom', input: fields[name], path: [name], message });
      };
      for (const name of sizeNames) {
        if (fields[name] === undefined) {
          report(name, `expected a value, received nothing; give it, or model.preset (${modelPresetNames.join(', ')})`);
        }
      }
      for (const name of new Set(Object.values(ownNames).flat())) {
        if (fields[name] !== undefined && !ownNames[architecture].includes(name)) {
          report(name, `expected nothing, because architecture ${architecture} has no such field; leave it out`);
        }
      }
      if (failed) return z.NEVER;
      const spec = specs[architecture](fields, report);
      if (failed) return z.NEVER;
      return spec;
    }),
  )
  .meta(modelShape);

function shapeOf(fields: Fields, nInner: (nEmbd: number) => number) {
  const { nLayer, nHead, nEmbd, contextLength } = fields as Required<Fields>;
  const shape = { nLayer, nHead, nEmbd, nInner: fields.nInner ?? nInner(nEmbd), contextLength };
  return fields.vocabSize === undefined ? shape : { ...shape, vocabSize: fields.vocabSize };
}

function gpt2Spec(fields: Fields, report: Report): ModelSpec {
  const shape = shapeOf(fields, (nEmbd) => 4 * nEmbd);
  requireDivisor('nHead', shape.nHead, 'nEmbd', shape.nEmbd, report);
  return { architecture: 'gpt2', ...shape, layerNormEpsilon: fields.layerNormEpsilon ?? 1e-5 };
}

function llamaSpec(fields: Fields, report: Report): ModelSpec {
  return {
    architecture: 'llama',
    ...rotarySpec(fields, report, 1e-5),
    attentionBias: fields.attentionBias ?? false,
    mlpBias: fields.mlpBias ?? false,
  };
}

function qwen2Spec(fields: Fields, report: Report): ModelSpec {
  return { architecture: 'qwen2', ...rotarySpec(fields, report, 1e-6) };
}

function rotarySpec(fields: Fields, report: Report, rmsNormEpsilon: number) {
  const shape = shapeOf(fields, (nEmbd) => Math.ceil((8 * nEmbd) / 3 / 32) * 32);
  // transformers insists on it, even where headSize is given.
  requireDivisor('nHead', shape.nHead, 'nEmbd', shape.nEmbd, report);
  const { headSize = shape.nEmbd / shape.nHead, nKvHead = shape.nHead } = fields;
  requireDivisor('nKvHead', nKvHead, 'nHead', shape.nHead, report);
  if (headSize % 2 !== 0) {
    const source = fields.headSize === undefined ? ' (nEmbd / nHead)' : '';
    report('headSize', `expected an even number, for rotary positions, received ${headSize}${source}`);
  }
  return {
    ...shape,
    nKvHead,
    headSize,
    rmsNormEpsilon: fields.rmsNormEpsilon ?? rmsNormEpsilon,
    ropeTheta: fields.ropeTheta ?? 10_000,
    ...(fields.ropeScaling === undefined ? {} : { ropeScaling: fields.ropeScaling }),
    tiedHead: fields.tiedHead ?? false,
  };
}

const specs = { gpt2: gpt2Spec, llama: llamaSpec, qwen2: qwen2Spec };

function requireDivisor(name: keyof Fields, divisor: number, of: string, dividend: number, report: Report): void {
  if (dividend % divisor !== 0) report(name, `expected a divisor of ${of} (${dividend}), received ${divisor}`);
}

/**
 * Checks a model and fills in its defaults.
 * @param input a preset's name, `{ preset, ...overrides }`, or the fields of a ModelConfig.
 * @param dataVocabSize vocabulary size of the data, used where `input` gives none.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, listing every problem.
 */
export function parseModelConfig(input: unknown, dataVocabSize?: number): ModelConfig {
  if (dataVocabSize !== undefined) requireInteger('dataVocabSize', dataVocabSize, 1);
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
