// A model on the command line: a model directory (ours or Hugging Face's), a checkpoint, or a run directory, of which
// the newest intact checkpoint is meant.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { latestCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { BurgeonError } from '../errors.ts';

export const modelArgumentHelp = 'model directory, checkpoint, or run directory (its newest checkpoint)';

/** @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is no model. */
export async function findModelDirectory(given: string): Promise<string> {
  if (existsSync(path.join(given, 'config.json'))) return given;
  const { latest } = await latestCheckpoint(given);
  if (latest !== undefined) return latest.directory;
  throw new BurgeonError(
    'ERR_BURGEON_CHECKPOINT',
    `${given}: expected a model directory (with config.json) or a run directory with checkpoints, found ${existsSync(given) ? 'neither' : 'nothing'}; burgeon train makes one`,
  );
}
