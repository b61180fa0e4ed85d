// Model and state that a run begins with: from the newest checkpoint, or new, with weights given or drawn.

import { readCheckpoint, writeCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ModelContents } from '../checkpoint/model-directory.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { changeText, valueText } from '../format.ts';
import { chooseDevice } from '../model/device.ts';
import { Model } from '../model/model.ts';
import { choosePrecision } from '../model/native-options.ts';
import type { Communicator } from '../ranks/communicator.ts';
import type { RankOf } from '../ranks/shares.ts';
import { descriptionFileName } from '../tokenizer/description.ts';
import { tokenizerDifference } from '../tokenizer/difference.ts';
import { readTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ConfigChange } from './config-changes.ts';
import type { FoundData } from './data-record.ts';
import { keptMoments } from './kept-moments.ts';
import type { Lead } from './lead.ts';
import { continueRunState, newRunState, type RunState } from './run-state.ts';
import { checkStageMemory } from './stage-memory.ts';
import type { TrainConfig } from './train-config.ts';

export interface RestoreContext {
  config: TrainConfig;
  data: FoundData;
  tokenizer: Tokenizer | undefined;
  /** Keys that are changed on purpose if they differ from the run's. */
  changes: readonly string[];
  /** The ranks that train together. */
  communicator: Communicator | undefined;
}

export interface Restored {
  model: Model;
  state: RunState;
  /** Where changes are to be written into a checkpoint at once, and moments still are in one: once there are other ranks to keep them. */
  momentsFrom?: { checkpoint: string; hasChanged: boolean };
  /** For people: what was changed, what was changed before and stays, and what is not known of the data. */
  notes: string[];
}

/**
 * @param initial the model's shape, or its weights.
 * @throws {BurgeonError} ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_BACKEND.
 */
export async function startRun(context: RestoreContext, initial: ModelConfig | ModelContents): Promise<Restored> {
  const { config, data, tokenizer, communicator } = context;
  const state = newRunState(config, data);
  const options = modelOptions(config, communicator);
  checkStageMemory('readTensor' in initial ? initial.model : initial, config, options);
  const model =
    'readTensor' in initial
      ? await Model.fromContents(initial, options)
      : await Model.create(initial, {
          ...options,
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
  const hasChanged = made.length > 0;
  try {
    if (hasChanged && !model.shard) await saveRun(model, state);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const begun = { model, state, notes: [...made.map(changeNote), ...kept.map(keptNote), ...notes] };
  return model.shard ? { ...begun, momentsFrom: { checkpoint: directory, hasChanged } } : begun;
}

/**
 * Writes a checkpoint of the run as it is now.
 * @param lead of the ranks that moments are divided over.
 * @returns its directory.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT; ERR_BURGEON_RANKS.
 */
export function saveRun(model: Model, state: RunState, lead?: Lead): Promise<string> {
  return writeCheckpoint(state.config.output, state.step, {
    ...model.contents(),
    optimizer: model.optimizer,
    readMoment: async (name, which) =>
      Float32Array.from(model.shard && lead ? await lead.moment(model, name, which) : await model.moment(name, which)),
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
    const options = modelOptions(continuation.state.config, context.communicator);
    const model = await Model.fromContents(checkpoint, options);
    try {
      // Of several ranks that divide them, each gets its own when they begin.
      for (const { name, which } of model.shard ? [] : keptMoments(model, checkpoint)) {
        await model.setMoment(name, which, await checkpoint.readMoment(name, which));
      }
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

function changeNote(change: ConfigChange): string {
  return `${changeText(change)} after step ${change.step}`;
}

function keptNote({ step, key, from, to }: ConfigChange): string {
  return `${key} stays ${valueText(to)}, as changed after step ${step}; the configuration has ${valueText(from)}`;
}

function precisionOf({ device, precision }: TrainConfig): string {
  return choosePrecision(chooseDevice(device), precision);
}

/** @param rank of several, over which moments are divided if the configuration says so. */
export function modelOptions(
  { threads, device, precision, optimizer, batchSize, sequenceLength }: TrainConfig,
  rank: RankOf | undefined,
) {
  return {
    ...(optimizer.shard && rank && { shard: { rank: rank.rank, size: rank.size } }),
    ...(threads === 'auto' ? {} : { threads }),
    device,
    precision,
    optimizer: optimizer.type,
    largestBatch: { batchSize, sequenceLength },
  };
}
