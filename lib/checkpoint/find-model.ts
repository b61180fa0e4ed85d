// Where the model is that someone names: a model directory (ours or Hugging Face's), a checkpoint, a model_*.bin of llm.c,
// or a run directory, of which the newest intact checkpoint is meant.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { latestCheckpoint } from './checkpoint-list.ts';
import { configFile } from './model-directory.ts';

/** @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is no model. */
export async function findModel(given: string): Promise<string> {
  const found = await stat(given).catch(() => undefined);
  if (found?.isFile()) return given;
  if (found?.isDirectory()) {
    if (await stat(path.join(given, configFile)).catch(() => undefined)) return given;
    const { latest } = await latestCheckpoint(given);
    if (latest !== undefined) return latest.directory;
  }
  throw checkpointError(
    `${given}: expected a model directory (with ${configFile}) or a run directory with checkpoints, found ${found ? 'neither' : 'nothing'}; burgeon train makes one`,
  );
}
