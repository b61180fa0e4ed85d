// Model and state that a run begins with: from the newest checkpoint, or new, with weights given or drawn.

import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ModelContents } from '../checkpoint/model-directory.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { TrainConfig } from '../config/train-config.ts';
import { BurgeonError } from '../errors.ts';
import { Model } from '../model/model.ts';
import { descriptionFileName } from '../tokenizer/description.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { continueRunState, newRunState, type RunState } from './run-state.ts';

export interface RestoreContext {
  config: TrainConfig;
  /** Tokens of the training data. */
  trainTokens: number;
  tokenizer: Tokenizer | undefined;
}

export interface Restored {
  model: Model;
  state: RunState;
}

/**
 * @param initial the model's shape, or its weights.
 * @throws {BurgeonError} ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_BACKEND.
 */
export async function startRun(context: RestoreContext, initial: ModelConfig | ModelContents): Promise<Restored> {
  const { config, trainTokens, tokenizer } = context;
  const state = newRunState(config, trainTokens);
  if ('readTensor' in initial) return { state, model: await Model.fromContents(initial, modelOptions(config)) };
  const model = await Model.create(initial, {
    ...modelOptions(config),
    seed: config.seed,
    tokenizerFiles: tokenizer?.files() ?? {},
    endOfText: tokenizer?.endOfText,
  });
  return { state, model };
}

/**
 * @param directory of a checkpoint.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT, ERR_BURGEON_CONFIG or ERR_BURGEON_DATA where configuration or data are not
 *   those that the run began with, ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_BACKEND.
 */
export async function continueRun(context: RestoreContext, directory: string): Promise<Restored> {
  const { config, trainTokens, tokenizer } = context;
  const checkpoint = await readCheckpoint(directory);
  try {
    const state = continueRunState(checkpoint.state, config, trainTokens, directory);
    if (checkpoint.tokenizerFiles[descriptionFileName] !== tokenizer?.files()[descriptionFileName]) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `cannot resume ${directory} with data of another tokenizer or vocabulary; use the data the run began with`,
      );
    }
    const model = await Model.fromContents(checkpoint, modelOptions(config));
    try {
      for (const name of model.tensorNames) {
        for (const which of ['m', 'v'] as const) {
          await model.setMoment(name, which, await checkpoint.readMoment(name, which));
        }
      }
    } catch (error) {
      model.dispose();
      throw error;
    }
    model.optimizerSteps = checkpoint.step;
    return { state, model };
  } finally {
    await checkpoint.close();
  }
}

function modelOptions({ threads, device, precision, batchSize, sequenceLength }: TrainConfig) {
  return {
    ...(threads === 'auto' ? {} : { threads }),
    device,
    precision,
    largestBatch: { batchSize, sequenceLength },
  };
}
