// A model on the command line, and the tokenizer that goes with it. Finding the model is lib/checkpoint/find-model.ts.

import { stat } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { partSubnetwork } from '../est/part.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import { createTokenizer, loadTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkpointPart, describePart } from '../train/checkpoint-part.ts';

export const modelArgumentHelp =
  'model directory, checkpoint, run directory (its newest checkpoint), or model_*.bin of llm.c';

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

/**
 * What of a loaded model to use, and a note that says so: of a checkpoint from a stage of first units what that had
 * trained. Nothing for the full model.
 */
export async function trainedSubnetwork(
  model: Model,
  directory: string,
): Promise<{ subnetwork?: Subnetwork | undefined; note?: string }> {
  const part = await checkpointPart(directory, model.config);
  if (part === undefined) return {};
  const note = `using ${describePart(part, model.config)}: the others have not been trained yet`;
  return { subnetwork: partSubnetwork(part, model.config), note };
}
