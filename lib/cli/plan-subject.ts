// What burgeon plan is about: the run of a configuration file, or of a model and a schedule given as options.

import type { Device } from '../config/device.ts';
import { completeModel, type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import { modelPresetNames, modelPresets } from '../config/presets.ts';
import { BurgeonError } from '../errors.ts';
import { planTargetSaving } from '../est/plan.ts';
import { Schedule, type ScheduleName, type StageConfig } from '../est/schedule.ts';
import type { ModelOptions } from '../model/options.ts';
import { loadTrainConfig } from '../train/load-train-config.ts';
import { parseTrainConfig, type TrainConfig } from '../train/train-config.ts';
import { readManifestFor } from './templates.ts';

export interface SubjectFlags {
  set: string[];
  model?: string;
  vocabSize?: number;
  schedule?: string;
  steps?: number;
  batchSize?: number;
  sequenceLength?: number;
  targetSaving?: number;
  device?: Device;
  ranks?: number;
}

export interface PlanSubject {
  model: ModelConfig;
  config: TrainConfig;
  modelOptions: Pick<ModelOptions, 'device' | 'precision' | 'threads' | 'optimizer' | 'shard'>;
}

/** @throws {BurgeonError} as the configuration, the data's manifest or the schedule have it. */
export async function planSubject(file: string | undefined, flags: SubjectFlags): Promise<PlanSubject> {
  const subject = file === undefined ? subjectFromFlags(flags) : await subjectFromFile(file, flags);
  if (flags.targetSaving === undefined) return subject;
  const { model, config } = subject;
  const options = planOptions(subject);
  return withSchedule(subject, stagesOf(planTargetSaving(model, flags.targetSaving, config.steps, options)));
}

/** The same run with another schedule. */
export function withSchedule<Subject extends Pick<PlanSubject, 'config'>>(
  subject: Subject,
  schedule: ScheduleName | StageConfig[],
): Subject {
  const { config } = subject;
  // Checks it against the model.
  const est = { ...config.est, schedule: schedule as TrainConfig['est']['schedule'] };
  const { minLearningRate: _, ...optimizer } = config.optimizer;
  parseTrainConfig({ ...config, optimizer, est });
  return { ...subject, config: { ...config, est } };
}

/** For `planSchedule` and `planCurve`. */
export function planOptions({ config }: Pick<PlanSubject, 'config'>) {
  const { batchSize, accumulationSteps, sequenceLength, est } = config;
  return { sequencesPerStep: batchSize * accumulationSteps, sequenceLength, samplerOptions: est };
}

async function subjectFromFile(file: string, flags: SubjectFlags): Promise<PlanSubject> {
  const loaded = await loadTrainConfig(file, { set: [...flags.set, ...overrides(flags)] });
  // The vocabulary comes from the data where they are there, else from the option.
  const { directory } = loaded.data;
  const isOpen = loaded.model.vocabSize === undefined && flags.vocabSize === undefined;
  const vocabSize = isOpen && directory !== undefined ? await vocabSizeOf(file, directory) : flags.vocabSize;
  const { device, precision, threads, optimizer } = loaded;
  return {
    model: completeModel(loaded.model, vocabSize),
    config: loaded,
    modelOptions: {
      device: flags.device ?? device,
      precision,
      optimizer: optimizer.type,
      ...(threads === 'auto' ? {} : { threads }),
    },
  };
}

function overrides({ schedule, steps, batchSize, sequenceLength }: SubjectFlags): string[] {
  const given = { 'est.schedule': schedule, steps, batchSize, sequenceLength };
  return Object.entries(given).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${JSON.stringify(value)}`],
  );
}

async function vocabSizeOf(file: string, directory: string): Promise<number> {
  try {
    return (await readManifestFor(file, directory)).vocabSize;
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    throw new BurgeonError(error.code, `${error.message}, or give --vocab-size`, { cause: error });
  }
}

function subjectFromFlags(flags: SubjectFlags): PlanSubject {
  const { model: preset = 'gpt2' } = flags;
  const isOpen = modelPresetNames.some((name) => name === preset && !('vocabSize' in modelPresets[name]));
  if (isOpen && flags.vocabSize === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `model ${preset}: expected --vocab-size, as it takes the vocabulary from the data: 50257 of the tokenizer gpt2, 256 of bytes`,
    );
  }
  const model = parseModelConfig(preset, flags.vocabSize);
  const { schedule = 'est-gpt2', steps = 150_000, batchSize: sequences = 8, ranks = 1 } = flags;
  const { sequenceLength = model.contextLength } = flags;
  if (sequences % ranks !== 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `--batch-size: expected sequences per step that ${ranks} ranks can share equally, received ${sequences}; give a multiple of ${ranks}`,
    );
  }
  // A micro-batch for each rank.
  const batchSize = sequences / ranks;
  // The same error as for a list of stages, without the key of a file.
  new Schedule(schedule as ScheduleName, steps);
  const size = { batchSize, accumulationSteps: ranks, sequenceLength };
  const config = parseTrainConfig({ model, output: 'run', steps, ...size, est: { schedule } });
  return { model, config, modelOptions: flags.device === undefined ? {} : { device: flags.device } };
}

/** As they would be written. */
function stagesOf({ stages }: Schedule): StageConfig[] {
  return stages.map(({ endStep, ratesFrom: { heads, neurons, layers } }) => ({ endStep, heads, neurons, layers }));
}
