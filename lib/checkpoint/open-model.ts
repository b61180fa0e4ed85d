// Any model that burgeon reads, from its path.

import { stat } from 'node:fs/promises';
import { requireText } from '../config/require.ts';
import { openLlmc } from './llmc.ts';
import { type OpenModelDirectory, readModelDirectory } from './model-directory.ts';

/**
 * Opens a model directory, a checkpoint, or a model_*.bin of llm.c.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and what is wrong with it.
 */
export async function openModel(path: string): Promise<OpenModelDirectory> {
  requireText('directory', path, 'the path of a model');
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? openLlmc(path) : readModelDirectory(path);
}
