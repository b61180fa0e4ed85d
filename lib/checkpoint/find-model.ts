// Where the model is that someone names: a model directory (ours or Hugging Face's), a checkpoint, a model_*.bin of llm.c,
// or a run directory, of which the newest intact checkpoint is meant.

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { meantHint } from '../config/meant-directories.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { optimizerFile } from './checkpoint.ts';
import { damageText, latestIntactCheckpoint } from './checkpoint-list.ts';
import { configFile } from './model-directory.ts';

/**
 * @param onNote is told of newer checkpoints that are damaged, and passed over.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is no model.
 */
export async function findModel(given: string, onNote: (note: string) => void = () => {}): Promise<string> {
  const found = await stat(given).catch(() => undefined);
  if (found?.isFile()) return given;
  if (found?.isDirectory()) {
    if (await stat(path.join(given, configFile)).catch(() => undefined)) return given;
    const { latest, skipped } = await latestIntactCheckpoint(given, (file) => file !== optimizerFile);
    if (latest !== undefined) {
      for (const damaged of skipped) onNote(`passed over checkpoint ${damageText(damaged)}`);
      return latest.directory;
    }
    if (skipped.length > 0) {
      const found = skipped.map(damageText).join('; ');
      throw checkpointError(`${given}: expected a run with an intact checkpoint, found damaged ones only: ${found}`);
    }
  }
  throw checkpointError(
    `${given}: expected a model directory (with ${configFile}) or a run directory with checkpoints, found ${found ? 'neither' : 'nothing'}; burgeon train makes one` +
      (await meantHint(given, hasModel)),
  );
}

/** By its names only. */
async function hasModel(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.some((name) => name === configFile || /^checkpoint-\d+$/.test(name));
}
