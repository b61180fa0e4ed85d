// The training configuration: every key with its meaning, default and check, in one place. Reading files is
// `lib/train/load-train-config.ts`, the wording of errors `validate.ts`. Rules that belong to a part (the stages of a schedule, the
// sampler's options) are checked by building that part, so they are stated once, in `lib/est/`.

import * as z from 'zod';
import { type Device, deviceShape, deviceWords, isDevice } from '../config/device.ts';
import {
  decayFloat32,
  flag,
  fromZeroToBelowOne,
  integer,
  integerOr,
  type JsonShape,
  nonNegativeFloat32,
  nonNegativeNumber,
  number,
  path,
  paths,
  positiveFloat32,
  section,
  share,
  shareShape,
  text,
  value,
  word,
} from '../config/fields.ts';
import { modelSchema } from '../config/model-config.ts';
import { optional, requireText } from '../config/require.ts';
import { listKeys } from '../config/schema-keys.ts';
import { validate } from '../config/validate.ts';
import { tokenTypes } from '../data/token-type.ts';
import { BurgeonError } from '../errors.ts';
import { samplerOf } from '../est/part.ts';
import { activeCounts, choices } from '../est/sampler.ts';
import { isStageRate, Schedule, type StageRate, scheduleNames } from '../est/schedule.ts';
import { depthTransitions, momentTransitions, widthTransitions } from '../est/transition.ts';
import { learningRateSchedules } from '../optim/lr-schedule.ts';
import { optimizerTypes } from '../optim/optimizer.ts';

const rateShape: JsonShape = {
  anyOf: [
    shareShape,
    {
      type: 'object',
      properties: { perLayer: { type: 'array', items: { type: 'number', minimum: 0, maximum: 1 }, minItems: 1 } },
      required: ['perLayer'],
      additionalProperties: false,
    },
  ],
};

const stageRate = (units: string) =>
  value<StageRate>(
    'a rate above 0 and at most 1 (a share, no number of units), {perLayer: [...]}, or a pair [from, to] of rates',
    isStageRate,
    {
      'x-type': 'StageRate',
      anyOf: [...rateShape.anyOf!, { type: 'array', items: rateShape, minItems: 2, maxItems: 2 }],
    },
  )
    .exactOptional()
    .describe(
      `Share of active ${units}, {perLayer: [first, last]} by layer, or [from, to] for a linear ramp over the stage. Default: 1`,
    );

const choice = () => word(choices).exactOptional();

const chooseSection = section({
  layers: choice().describe('The same for layers alone. Default: uniform'),
  heads: choice().describe('The same for heads alone. Default: uniform'),
  neurons: choice().describe('The same for neurons alone. Default: uniform'),
});

const transitionSection = section({
  layers: word(depthTransitions)
    .exactOptional()
    .describe(`Where new layers come from: ${depthTransitions.join(', ')}. Default: keep`),
  width: word(widthTransitions)
    .exactOptional()
    .describe(`Where new heads and neurons come from: ${widthTransitions.join(', ')}. Default: keep`),
  moments: word(momentTransitions)
    .exactOptional()
    .describe(
      "The optimizer's moments of copies. Default: copy; zero where width is split, or copies would stay equal",
    ),
  warmupSteps: integer(0).exactOptional().describe('Steps over which the learning rate climbs again. Default: 0'),
  warmupFrom: number('a number from 0 to below 1', (input) => input >= 0 && input < 1, fromZeroToBelowOne)
    .exactOptional()
    .describe('Share of the learning rate at which that begins. Default: 0'),
});

/** Two integers, as in 2/15. */
const fractionText = /^\s*(\d+)\s*\/\s*(\d+)\s*$/;

const groupsPerStep = () => integerOr(1, 'auto', 'sequence');

const stage = section({
  endStep: integer(1)
    .exactOptional()
    .describe('First step after the stage. Give this or endFraction; the last needs none'),
  endFraction: value<number | string>(
    'a number above 0 and at most 1, or a fraction such as "2/15"',
    (input) => readFraction(input) !== undefined,
    { anyOf: [shareShape, { type: 'string', pattern: fractionText.source }] },
  )
    .transform((input) => readFraction(input)!)
    .exactOptional()
    .describe('End of the stage as a fraction of the run, a number or text such as 2/15'),
  heads: stageRate('attention heads per active layer'),
  neurons: stageRate('MLP neurons per active layer'),
  layers: stageRate('layers'),
  choose: z
    .union([word(choices, ' or a section of layers, heads and neurons'), chooseSection])
    .exactOptional()
    .describe(
      'Which units are active: uniform draws them for every step and group, first takes the first ones always. Default: uniform',
    ),
  rescale: flag()
    .exactOptional()
    .describe('Whether sums over active units are multiplied by all / active. Default: where the choice is uniform'),
  keepFirst: integer(0).exactOptional().describe('First layers that are always active. Default: est.keepFirst'),
  keepLast: integer(0).exactOptional().describe('Last layers that are always active. Default: est.keepLast'),
  groupsPerStep: groupsPerStep().exactOptional().describe('Subnetworks per step. Default: est.groupsPerStep'),
  batchSize: integer(1, 1_048_576)
    .exactOptional()
    .describe('Sequences per micro-batch in this stage; divides batchSize * accumulationSteps. Default: batchSize'),
  transition: z
    .union([word(depthTransitions, ' or a section'), transitionSection])
    .exactOptional()
    .describe(
      `What is trained for the first time starts from: ${depthTransitions.join(', ')} (layers alone), or a section. Default: keep`,
    ),
});

const files = (use: string) =>
  paths('a file pattern or a list of them')
    .exactOptional()
    .describe(`Token files for ${use}: a file pattern, or a list of them`);

const estSection = section({
  schedule: z
    .union([
      word(scheduleNames, ' or a list of stages').meta({ 'x-type': 'ScheduleName' }),
      z.array(stage.meta({ 'x-type': 'StageInput' })),
    ])
    .default('est-gpt2')
    .describe(`Stages of the run: ${scheduleNames.join(', ')}, or a list of stages`),
  groupsPerStep: groupsPerStep()
    .default('auto')
    .describe(
      'Subnetworks per optimizer step; each trains on its share of the sequences. auto: at least 4 where there are ' +
        '4 sequences; sequence: one each',
    ),
  neuronMultiple: integer(1).default(1).describe('Rounds the number of active neurons to a multiple of this'),
  neuronBlock: integer(1).default(1).describe('Samples runs of this many adjacent neurons; divides model.nInner'),
  headSampling: word(['group', 'query'])
    .default('group')
    .describe(
      'Where query heads share keys and values: group samples whole groups; query keeps all keys and values and ' +
        'samples query heads, as many of each group',
    ),
  keepFirst: integer(0).default(0).describe('First layers that are always active'),
  keepLast: integer(0).default(0).describe('Last layers that are always active'),
  layerScale: word(['none', 'inverse'])
    .default('none')
    .describe('inverse multiplies the branches of active layers by (layers / active layers)'),
});

const optimizerSection = section({
  type: word(optimizerTypes)
    .default('adamw')
    .describe(
      'adamw: for all parameters. muon: Muon for the matrices of layers (queries, keys and values apart), AdamW for ' +
        'embeddings, output head, norms and biases',
    ),
  learningRate: positiveFloat32().default(6e-4).describe('Highest learning rate'),
  minLearningRate: nonNegativeFloat32()
    .exactOptional()
    .describe('Learning rate of the last step; not used by constant. Default: learningRate / 10'),
  schedule: word(learningRateSchedules).default('cosine').describe('Shape of the learning rate after warm-up'),
  warmupSteps: integer(0)
    .default(0)
    .describe('Steps of linear warm-up; step s (from 0) has learningRate * (s + 1) / warmupSteps'),
  decayFraction: share()
    .default(0.2)
    .describe('wsd only: share of the run, at its end, over which the rate falls, as 1 - sqrt(x)'),
  beta1: decayFloat32().default(0.9).describe("AdamW's decay of the first moment"),
  beta2: decayFloat32().default(0.95).describe("AdamW's decay of the second moment"),
  epsilon: positiveFloat32().default(1e-8).describe("Added to the root of AdamW's second moment"),
  momentum: decayFloat32().default(0.95).describe("muon only: decay of its momentum, which is Nesterov's"),
  weightDecay: nonNegativeFloat32()
    .default(0.1)
    .describe('Decoupled weight decay of matrices and embeddings; not of biases and norms'),
  cautiousWeightDecay: flag()
    .default(false)
    .describe(
      'Whether elements that the rest of an update moves away from zero do not decay (Chen et al., arXiv 2510.12402)',
    ),
  gradientClip: nonNegativeFloat32().default(1).describe('Largest global norm of the gradient; 0 turns clipping off'),
  inactive: word(['zero-grad', 'freeze'])
    .default('zero-grad')
    .describe('Parameters active in no group of a step: updated with a zero gradient, or left untouched'),
  shard: flag()
    .default(false)
    .describe(
      'Whether several ranks divide moments and update: less memory, the same bits. May change when a run is resumed',
    ),
}).transform(({ minLearningRate, ...rest }, context) => {
  if (minLearningRate !== undefined && minLearningRate > rest.learningRate) {
    context.issues.push({
      code: 'custom',
      input: minLearningRate,
      path: ['minLearningRate'],
      message: `expected at most learningRate (${rest.learningRate}), received ${minLearningRate}`,
    });
  }
  if (rest.shard && rest.type === 'muon') {
    context.issues.push({
      code: 'custom',
      input: rest.shard,
      path: ['shard'],
      message: 'expected false with type muon, which orthogonalises all rows of a matrix together, received true',
    });
  }
  return { ...rest, minLearningRate: minLearningRate ?? rest.learningRate / 10 };
});

const dataSection = section({
  directory: path('the path of a directory').exactOptional().describe('Directory that `burgeon prepare` wrote'),
  train: files('training, instead of a directory'),
  validation: files('validation, together with data.train'),
  dtype: word(tokenTypes)
    .exactOptional()
    .describe(
      `Type of the ids in token files without a header: ${tokenTypes.join(', ')}, little-endian. llm.c shards and .npy files ` +
        'say theirs. Default: uint16',
    ),
}).transform((data, context) => {
  if (data.dtype !== undefined && data.train === undefined) {
    context.issues.push({
      code: 'custom',
      input: data.dtype,
      path: ['dtype'],
      message: 'expected data.train beside it, as only token files without a header need a type; leave it out',
    });
  }
  if (data.directory !== undefined && (data.train !== undefined || data.validation !== undefined)) {
    context.issues.push({
      code: 'custom',
      input: data,
      path: [],
      message: 'expected directory, or train and validation, received both; leave one out',
    });
  }
  return data;
});

const fields = section({
  model: modelSchema.describe(
    "A preset's name, or a section with the fields below. Required, unless there is an initFrom",
  ),
  initFrom: path('the path of a model')
    .exactOptional()
    .describe(
      'Model to start from, instead of new weights: a model directory, checkpoint, run directory or model_*.bin of llm.c. ' +
        'Default: none',
    ),
  data: dataSection.prefault({}).meta({ title: 'What the model is trained on' }),
  baseline: paths('the path of a run, a pattern of metrics files, or a list of them')
    .exactOptional()
    .describe(
      'Dense runs of two lengths or more on the same data, run directories or metrics files: at its end `train` tells the ' +
        'compute gain against them. Default: none',
    ),
  output: path('the path of a directory').describe('Run directory: checkpoints, metrics and reports. Required'),
  seed: integer(-Number.MAX_SAFE_INTEGER).default(1).describe('Fixes everything random in the run'),
  steps: integer(1).describe('Optimizer steps of the run. Required'),
  batchSize: integer(1, 1_048_576).describe('Sequences per micro-batch. Required'),
  sequenceLength: integer(1).exactOptional().describe('Tokens per sequence. Default: model.contextLength'),
  accumulationSteps: integer(1, 1_048_576).default(1).describe('Micro-batches per optimizer step'),
  est: estSection.prefault({}).meta({ title: 'Which part of the model is trained in which step' }),
  optimizer: optimizerSection.prefault({}).meta({ title: 'What updates the parameters, and its learning rate' }),
  evaluation: section({
    every: integer(0).default(250).describe('Steps between evaluations; 0: only at the end'),
    windows: integerOr(1, 'all').default(64).describe('Sequences of validation data per evaluation'),
  })
    .prefault({})
    .meta({ title: 'Loss on held-out data' }),
  sample: section({
    every: integer(0).default(0).describe('Steps between samples of text; 0: none'),
    prompt: text().default('').describe('Text to continue; may be empty'),
    length: integer(1).default(200).describe('Tokens per sample'),
    temperature: nonNegativeNumber().default(0.8).describe('Divides the logits; 0: always the likeliest token'),
    topK: integer(0).default(0).describe('Draws from the k likeliest tokens only; 0: off'),
    topP: share().default(1).describe('Draws from the likeliest tokens that make up this probability; 1: off'),
  })
    .prefault({})
    .meta({ title: 'Text that is written during training' }),
  checkpoint: section({
    every: integer(0)
      .default(0)
      .describe('Steps between checkpoints; 0: none by steps. There is always one at the end and on interruption'),
    everyMinutes: nonNegativeNumber()
      .default(10)
      .describe('Minutes after which one is written in any case, which changes no result; 0: none by time'),
    keepLast: integer(1).default(2).describe('Newest checkpoints that stay on disk'),
    keepBest: flag().default(true).describe('Whether the checkpoint with the lowest validation loss stays as well'),
  })
    .prefault({})
    .meta({ title: 'When checkpoints are written, and which of them stay' }),
  log: section({
    every: integer(1).default(1).describe('Steps between lines of metrics'),
    peakFlops: value<number | 'measured'>(
      'a number of FLOPs per second above 0, or "measured"',
      (input) => input === 'measured' || (typeof input === 'number' && Number.isFinite(input) && input > 0),
      { anyOf: [{ type: 'number', exclusiveMinimum: 0 }, { enum: ['measured'] }] },
    )
      .default('measured')
      .describe("FLOPs per second that MFU is a share of: the processor's own figure, or measured at the start"),
  })
    .prefault({})
    .meta({ title: 'Metrics' }),
  device: value<Device>(deviceWords, isDevice, deviceShape)
    .default('auto')
    .describe(
      'What computes: cpu, cuda, cuda:1, ..., or reference, plain loops. auto: BURGEON_DEVICE, else CUDA where it works',
    ),
  precision: word(['auto', 'float32', 'bf16'])
    .default('auto')
    .describe(
      'bf16: activations and operands of products; weights and sums stay float32. auto: bf16 on CUDA devices, else float32',
    ),
  threads: integerOr(1, 'auto').default('auto').describe('Threads on the processor'),
});

/** The whole of it. */
export const trainSchema = fields.transform((config, context) => {
  const { model, est, steps, sequenceLength = model.contextLength } = config;
  const report = (path: string[], input: unknown, message: string) =>
    context.issues.push({ code: 'custom', input, path, message });

  if (sequenceLength > model.contextLength) {
    report(
      ['sequenceLength'],
      sequenceLength,
      `expected at most model.contextLength (${model.contextLength}), received ${sequenceLength}`,
    );
  }
  try {
    const schedule = new Schedule(est.schedule, steps);
    // What is wrong whatever the rates is not the fault of a stage.
    activeCounts(samplerOf(model, est, { rates: { heads: 1, neurons: 1, layers: 1 } }));
    // Counts lie between those of a stage's two ends, so checking the ends is enough.
    for (const { index, ratesFrom, ratesTo, options } of schedule.stages) {
      inStage(`stage ${index + 1} of ${schedule.stages.length}`, () => {
        requireWhole(options.batchSize, config.batchSize * config.accumulationSteps);
        for (const rates of [ratesFrom, ratesTo]) activeCounts(samplerOf(model, est, { ...options, rates }));
      });
    }
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    report(['est'], est, error.message);
  }
  return { ...config, sequenceLength };
});

/** Names the stage in what a check of it throws. */
function inStage(name: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof BurgeonError) throw new BurgeonError(error.code, `${name}: ${error.message}`);
    throw error;
  }
}

function requireWhole(batchSize: number | undefined, sequences: number): void {
  if (batchSize === undefined || sequences % batchSize === 0) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `batchSize: expected a divisor of batchSize * accumulationSteps (${sequences}), received ${batchSize}`,
  );
}

/** A complete training configuration: every default filled in, every rule checked. */
export interface TrainConfig extends z.output<typeof trainSchema> {}

/** Every key of the training configuration, with its meaning and default. */
export const trainConfigKeys = listKeys(trainSchema);

/**
 * Checks a training configuration and fills in its defaults.
 * @param input plain data with the keys of `trainConfigKeys`; `model` may be a preset's name.
 * @param file where it comes from, for errors.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG with one line per problem.
 */
export function parseTrainConfig(input: unknown, file?: string): TrainConfig {
  optional(requireText, 'file', file);
  return validate(trainSchema, input, `invalid training configuration${file === undefined ? '' : ` in ${file}`}`);
}

/** A fraction of the run in (0, 1], from a number or text such as "2/15"; undefined for anything else. */
function readFraction(input: unknown): number | undefined {
  let fraction = input;
  if (typeof input === 'string') {
    const [, numerator, denominator] = fractionText.exec(input) ?? [];
    fraction = Number(numerator) / Number(denominator);
  }
  return typeof fraction === 'number' && fraction > 0 && fraction <= 1 ? fraction : undefined;
}
