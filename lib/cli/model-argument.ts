// A model on the command line, and the tokenizer that goes with it. Finding the model is lib/checkpoint/find-model.ts.

import { stat } from 'node:fs/promises';
import { findModel } from '../checkpoint/find-model.ts';
import { loadTokenizer } from '../checkpoint/load-tokenizer.ts';
import { BurgeonError } from '../errors.ts';
import { partSubnetwork } from '../est/part.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkpointPart, describePart, trainedLength } from '../train/checkpoint-part.ts';
import { findBestCheckpoint } from '../train/find-best.ts';
import { sayNote } from './say-note.ts';

export const modelArgumentHelp =
  'model directory, checkpoint, run directory (its newest checkpoint), or model_*.bin of llm.c';

/**
 * Where the model is that an argument names; a note says which damaged checkpoints are passed over.
 * @param best whether the best checkpoint of a run is meant, not the newest.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is none.
 */
export function namedModel(given: string, best = false): Promise<string> {
  return best ? findBestCheckpoint(given, sayNote) : findModel(given, sayNote);
}

/**
 * The tokenizer of that name, or else the model's; a file of llm.c names none, its models have GPT-2's.
 * @throws {BurgeonError} ERR_BURGEON_DATA where the model's directory has none that burgeon knows.
 */
export async function modelTokenizer(model: string, name?: 'gpt2' | 'bytes'): Promise<Tokenizer> {
  if (name !== undefined) return createTokenizer({ name });
  return (await stat(model)).isFile() ? createTokenizer({ name: 'gpt2' }) : loadTokenizer(model);
}

/** The same, undefined where there is none. */
export async function findTokenizer(model: string, name?: 'gpt2' | 'bytes'): Promise<Tokenizer | undefined> {
  try {
    return await modelTokenizer(model, name);
  } catch (error) {
    if (error instanceof BurgeonError) return undefined;
    throw error;
  }
}

/** What of a loaded model its run has trained, and notes that say so; nothing for the full model at its context length. */
export interface Trained {
  /** Of a checkpoint from a stage of first units. */
  subnetwork?: Subnetwork | undefined;
  /** Tokens of a sequence, where the model takes more. */
  sequenceLength?: number | undefined;
  notes: string[];
}

/** @param length of the sequences, where somebody has chosen it. */
export async function whatIsTrained(model: Model, directory: string, length?: number): Promise<Trained> {
  const part = await checkpointPart(directory, model.config);
  const sequenceLength = length ?? (await trainedLength(directory, model.config));
  const notes = [];
  if (part) notes.push(`using ${describePart(part, model.config)}: the others have not been trained yet`);
  if (sequenceLength !== undefined && length === undefined) {
    const { contextLength } = model.config;
    notes.push(
      `using sequences of ${sequenceLength} tokens, as in training, of the ${contextLength} that the model takes`,
    );
  }
  return { subnetwork: part && partSubnetwork(part, model.config), sequenceLength, notes };
}
