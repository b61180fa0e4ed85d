// Shared by the tests of training: a small text, a data set made of it, a configuration that passes through all three
// stages in a fraction of a second, and fingerprints of everything that training changes.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkpointName, readCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { CounterRng } from '../../lib/est/rng.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import type { RunSummary } from '../../lib/train/summary.ts';
import type { TrainConfigInput } from '../../lib/train/train-config-input.ts';
import { type StepRecord, Trainer, type TrainerOptions } from '../../lib/train/trainer.ts';
import { fingerprints } from '../helpers/models.ts';

/** Some learnable text without capitals; a pure function of its arguments. */
export function someText(characters = 8000, seed = 1): string {
  const words = 'the a stone river old bird sings under green hills and then sleeps while rain falls on roofs'.split(
    ' ',
  );
  const rng = new CounterRng(seed, 0);
  let text = '';
  while (text.length < characters) {
    const line = Array.from({ length: 4 + rng.nextBelow(6) }, () => words[rng.nextBelow(words.length)]);
    text += `${line.join(' ')}.\n`;
  }
  return text.slice(0, characters);
}

/** A new directory with the data set `data` of that text, one token per character, and a way to remove it. */
export async function prepareText(text = someText()): Promise<{ data: string; remove: () => Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'burgeon-train-'));
  const input = path.join(directory, 'text.txt');
  const data = path.join(directory, 'data');
  await writeFile(input, text);
  await prepare({ inputs: [input], output: data, tokenizer: 'chars' });
  return { data, remove: () => rm(directory, { recursive: true, force: true }) };
}

export type Settings = Record<string, unknown>;

/** Steps after which the stages of `tinyConfig` end: est-gpt2 over 15 steps. */
export const stageEnds = [2, 7, 15] as const;

/** One layer and one head of two, and half of the neurons, in the first stage. Sections given replace the whole section. */
export function tinyConfig(data: string, output: string, overrides: Settings = {}): Settings {
  return {
    model: { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16 },
    data: { directory: data },
    output,
    seed: 3,
    steps: stageEnds[2],
    batchSize: 4,
    optimizer: { learningRate: 3e-3, warmupSteps: 2 },
    evaluation: { every: 0, windows: 4 },
    log: { peakFlops: 1e11 }, // measuring takes longer than the run
    threads: 1,
    ...overrides,
  };
}

/** Of settings whose types nobody knows, as of a file's. */
export function trainerOf(settings: Settings, options?: TrainerOptions): Trainer {
  return new Trainer(settings as object as TrainConfigInput, options);
}

export interface Outcome {
  records: StepRecord[];
  summary: RunSummary;
  fingerprint: Record<string, string>;
}

/** Trains until the end, or until `onRecord` has it stopped. */
export async function train(
  config: Settings,
  options: TrainerOptions = {},
  onRecord: (record: StepRecord, trainer: Trainer) => unknown = () => {},
): Promise<Outcome> {
  await using trainer = trainerOf(config, options);
  const records: StepRecord[] = [];
  for await (const record of trainer.run()) {
    records.push(record);
    await onRecord(record, trainer);
  }
  return { records, summary: trainer.summary, fingerprint: await fingerprintOf(trainer) };
}

/** Trains as far as the given step, and is then told to stop, as by Ctrl-C. */
export function trainUntil(step: number, config: Settings, options: TrainerOptions = {}): Promise<Outcome> {
  const controller = new AbortController();
  return train(config, { ...options, signal: controller.signal }, (record) => {
    if (record.step === step) controller.abort();
  });
}

/** Hashes of all weights and moments: equal exactly when all bits are. Moments that are divided over ranks are in the checkpoint. */
async function fingerprintOf({ model, config, step }: Trainer): Promise<Record<string, string>> {
  const tensors = new Map<string, Float32Array | Float64Array>();
  const checkpoint = model.shard && (await readCheckpoint(path.join(config.output, checkpointName(step))));
  try {
    for (const name of model.tensorNames) {
      tensors.set(name, await model.parameter(name));
      for (const which of model.moments(name)) {
        const moment = checkpoint ? checkpoint.readMoment(name, which) : model.moment(name, which);
        tensors.set(`${which}/${name}`, await moment);
      }
    }
  } finally {
    await checkpoint?.close();
  }
  return fingerprints(tensors);
}
