// The directory of a run: who may start in it, and that only one process trains in it at a time.

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { type FoundCheckpoint, findCheckpoints, latestCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { BurgeonError } from '../errors.ts';
import { makeDirectoryDurably } from '../files/durable-file.ts';
import { claimLock } from '../files/lock-file.ts';
import { metricsFileName } from './metrics.ts';

/** new: only where no run is; resume: continue the newest intact checkpoint, if any; overwrite: delete what is there. */
export type StartMode = 'new' | 'resume' | 'overwrite';

/** In the run directory, while a process trains there. */
export const runLockName = '.burgeon.lock';

/** In the message for a second one. */
export const isTrainingThere = 'is training there';

export interface EnteredRun {
  /** The checkpoint to continue from. */
  latest: FoundCheckpoint | undefined;
  /** Newer checkpoints that are not intact. */
  skipped: FoundCheckpoint[];
  /** Gives the directory free for others. */
  leave(): Promise<void>;
}

/**
 * Claims a run directory.
 * @throws {BurgeonError} ERR_BURGEON_BUSY when another process trains there; ERR_BURGEON_CONFIG for `new` where a run is.
 */
export async function enterRunDirectory(directory: string, mode: StartMode): Promise<EnteredRun> {
  await makeDirectoryDurably(directory).catch((cause) => {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `output ${directory}: expected a directory that can be written, but ${(cause as Error).message}`,
      { cause },
    );
  });
  const leave = await claimLock(
    path.join(directory, runLockName),
    (holder) => `output ${directory}: ${holder} ${isTrainingThere}`,
  );
  try {
    const { latest, skipped } = await latestCheckpoint(directory);
    if (mode === 'resume') return { latest, skipped, leave };
    if (mode === 'overwrite') {
      for (const checkpoint of await findCheckpoints(directory)) await rm(checkpoint.directory, { recursive: true });
      await rm(path.join(directory, metricsFileName), { force: true });
    } else if (latest !== undefined || skipped.length > 0) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `output ${directory}: expected no run there, found ${latest ? `a checkpoint at step ${latest.step}` : 'damaged checkpoints'}; continue it with --resume, replace it with --overwrite, or choose another output`,
      );
    }
    return { latest: undefined, skipped: [], leave };
  } catch (error) {
    await leave();
    throw error;
  }
}
