// Any model that burgeon reads, from its path.

import { join } from 'node:path';
import { requireText } from '../config/require.ts';
import { isFile } from '../files/path-kinds.ts';
import { explainFailure } from '../formats/checkpoint-error.ts';
import { optimizerFile, stateFile } from './checkpoint.ts';
import { openLlmc } from './llmc.ts';
import { manifestFile, parseManifest, verifyHashes } from './manifest.ts';
import { type OpenModelDirectory, readModelDirectory } from './model-directory.ts';

/**
 * Opens a model directory, a checkpoint, or a model_*.bin of llm.c.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and what is wrong with it.
 */
export async function openModel(path: string): Promise<OpenModelDirectory> {
  requireText('directory', path, 'the path of a model');
  if (await isFile(path)) return openLlmc(path);
  await requireUndamaged(path);
  return readModelDirectory(path);
}

/** What a checkpoint says of its model's files must hold here too: one flipped bit of a weight is a number like any other. */
async function requireUndamaged(directory: string): Promise<void> {
  const [hasManifest, isCheckpoint] = await Promise.all(
    [manifestFile, stateFile].map((name) => isFile(join(directory, name))),
  );
  if (!hasManifest && !isCheckpoint) return;
  await explainFailure(`reading checkpoint ${directory}`, async () => {
    const { files, ...manifest } = await parseManifest(directory);
    // The optimizer is not read, and may be left out where a checkpoint is passed on.
    const { [optimizerFile]: _, ...ofModel } = files;
    await verifyHashes(directory, { ...manifest, files: ofModel });
  });
}
