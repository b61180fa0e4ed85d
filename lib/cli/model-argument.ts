// A model on the command line: a model directory (ours or Hugging Face's), a checkpoint, or a run directory, of which
// the newest intact checkpoint is meant. And the tokenizer that goes with it.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { latestCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { BurgeonError } from '../errors.ts';
import { createTokenizer, loadTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';

export const modelArgumentHelp =
  'model directory, checkpoint, run directory (its newest checkpoint), or model_*.bin of llm.c';

/** @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is no model. */
export async function findModelDirectory(given: string): Promise<string> {
  const found = await stat(given).catch(() => undefined);
  if (found?.isFile()) return given;
  if (found?.isDirectory()) {
    if (await stat(path.join(given, 'config.json')).catch(() => undefined)) return given;
    const { latest } = await latestCheckpoint(given);
    if (latest !== undefined) return latest.directory;
  }
  throw new BurgeonError(
    'ERR_BURGEON_CHECKPOINT',
    `${given}: expected a model directory (with config.json) or a run directory with checkpoints, found ${found ? 'neither' : 'nothing'}; burgeon train makes one`,
  );
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
