// Model and state that a run begins with: from the newest checkpoint, or new, with weights given or drawn.

import { type OpenCheckpoint, readCheckpoint, writeCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ModelContents } from '../checkpoint/model-directory.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { BurgeonError } from '../errors.ts';
import { changeText, valueText } from '../format.ts';
import { chooseDevice } from '../model/device.ts';
import { Model } from '../model/model.ts';
import { choosePrecision } from '../model/native-options.ts';
import { momentsOf } from '../optim/optimizer.ts';
import { descriptionFileName } from '../tokenizer/description.ts';
import { tokenizerDifference } from '../tokenizer/difference.ts';
import { readTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ConfigChange } from './config-changes.ts';
import type { FoundData } from './data-record.ts';
import { continueRunState, newRunState, type RunState } from './run-state.ts';
import { checkStageMemory } from './stage-memory.ts';
import type { TrainConfig } from './train-config.ts';

export interface RestoreContext {
  config: TrainConfig;
  data: FoundData;
  tokenizer: Tokenizer | undefined;
  /** Keys that are changed on purpose if they differ from the run's. */
  changes: readonly string[];
}

export interface Restored {
  model: Model;
  state: RunState;
  /** For people: what was changed, what was changed before and stays, and what is not known of the data. */
  notes: string[];
}

/**
 * @param initial the model's shape, or its weights.
 * @throws {BurgeonError} ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_BACKEND.
 */
export async function startRun(context: RestoreContext, initial: ModelConfig | ModelContents): Promise<Restored> {
  const { config, data, tokenizer } = context;
  const state = newRunState(config, data);
  checkStageMemory('readTensor' in initial ? initial.model : initial, config, modelOptions(config));
  const model =
    'readTensor' in initial
      ? await Model.fromContents(initial, modelOptions(config))
      : await Model.create(initial, {
          ...modelOptions(config),
          seed: config.seed,
          tokenizerFiles: tokenizer?.files() ?? {},
          endOfText: tokenizer?.endOfText,
        });
  state.precision = model.info.precision;
  return { state, model, notes: [] };
}

/**
 * Restores a checkpoint. Changes are written into it at once: they hold from now on, whatever ends this process.
 * @param directory of the checkpoint, whose hashes were compared (enterRunDirectory).
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT, ERR_BURGEON_CONFIG or ERR_BURGEON_DATA where configuration or data are not
 *   those that the run began with, ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_BACKEND.
 */
export async function continueRun(context: RestoreContext, directory: string): Promise<Restored> {
  const { model, state, made, kept, notes } = await restore(context, directory);
  try {
    if (made.length > 0) await saveRun(model, state);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { model, state, notes: [...made.map(changeNote), ...kept.map(keptNote), ...notes] };
}

/**
 * Writes a checkpoint of the run as it is now.
 * @returns its directory.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT.
 */
export function saveRun(model: Model, state: RunState): Promise<string> {
  return writeCheckpoint(state.config.output, state.step, {
    ...model.contents(),
    optimizer: model.optimizer,
    readMoment: async (name, which) => Float32Array.from(await model.moment(name, which)),
    state,
  });
}

async function refuseTokens(directory: string, { tokenizerFiles }: ModelContents, tokenizer: Tokenizer | undefined) {
  const hasOwn = Object.keys(tokenizerFiles).length > 0;
  const found =
    hasOwn && tokenizer
      ? `data of another tokenizer or vocabulary (${tokenizerDifference(await readTokenizer(directory), tokenizer)})`
      : `${hasOwn ? 'token files, as the run has a tokenizer' : 'data of a tokenizer, as the run has none'}`;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `cannot resume ${directory} with ${found}; use the data the run began with`,
  );
}

async function restore({ tokenizer, ...context }: RestoreContext, directory: string) {
  const checkpoint = await readCheckpoint(directory, { isVerified: true });
  try {
    const { state, model: shape } = checkpoint;
    const continuation = continueRunState(
      { directory, state, vocabSize: shape.vocabSize },
      { ...context, precisionOf },
    );
    if (checkpoint.tokenizerFiles[descriptionFileName] !== tokenizer?.files()[descriptionFileName]) {
      await refuseTokens(directory, checkpoint, tokenizer);
    }
    const model = await Model.fromContents(checkpoint, modelOptions(continuation.state.config));
    try {
      await restoreMoments(model, checkpoint);
    } catch (error) {
      model.dispose();
      throw error;
    }
    model.optimizerSteps = checkpoint.step;
    return { ...continuation, model };
  } finally {
    await checkpoint.close();
  }
}

/** Where the optimizer was changed on purpose, what the two keep of a tensor in different ways begins at zero. */
async function restoreMoments(model: Model, checkpoint: OpenCheckpoint): Promise<void> {
  const had = new Map(
    listTensors(model.config).map((tensor) => [tensor.name, momentsOf(checkpoint.optimizer, tensor)]),
  );
  for (const name of model.tensorNames) {
    const kept = model.moments(name);
    if (kept.join() !== had.get(name)!.join()) continue;
    for (const which of kept) await model.setMoment(name, which, await checkpoint.readMoment(name, which));
  }
}

function changeNote(change: ConfigChange): string {
  return `${changeText(change)} after step ${change.step}`;
}

function keptNote({ step, key, from, to }: ConfigChange): string {
  return `${key} stays ${valueText(to)}, as changed after step ${step}; the configuration has ${valueText(from)}`;
}

function precisionOf({ device, precision }: TrainConfig): string {
  return choosePrecision(chooseDevice(device), precision);
}

export function modelOptions({ threads, device, precision, optimizer, batchSize, sequenceLength }: TrainConfig) {
  return {
    ...(threads === 'auto' ? {} : { threads }),
    device,
    precision,
    optimizer: optimizer.type,
    largestBatch: { batchSize, sequenceLength },
  };
}
