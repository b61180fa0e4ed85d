// The directory of a run: who may start in it, and that only one process trains in it at a time.

import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type FoundCheckpoint, findCheckpoints, latestCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { makeDirectoryDurably } from '../checkpoint/durable-file.ts';
import { BurgeonError } from '../errors.ts';
import { metricsFileName } from './metrics.ts';

/** new: only where no run is; resume: continue the newest intact checkpoint, if any; overwrite: delete what is there. */
export type StartMode = 'new' | 'resume' | 'overwrite';

const lockName = '.burgeon.lock';

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
  const leave = await claim(path.join(directory, lockName), directory);
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

/** Creates the lock file; one left by a process that no longer lives is taken over. */
async function claim(lock: string, directory: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      return () => rm(lock, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
    if (await isHeld(lock, holder)) {
      throw new BurgeonError(
        'ERR_BURGEON_BUSY',
        `output ${directory}: ${holder > 0 ? `process ${holder}` : 'another process'} is training there; wait for it or choose another output (if no burgeon is running, delete ${lock})`,
      );
    }
    await rm(lock, { force: true });
  }
}

/** Whether the process that wrote a lock file still lives. */
async function isHeld(lock: string, holder: number): Promise<boolean> {
  const file = await stat(lock).catch(() => undefined);
  if (file === undefined) return false;
  const ageMs = Date.now() - file.mtimeMs;
  // A lock without a number was created just now and is about to be filled in; an old one never will be.
  if (!(Number.isInteger(holder) && holder > 0)) return ageMs < 10_000;
  // Process ids come back, in a restarted container at once: a lock older than this process is not its own.
  if (holder === process.pid) return ageMs <= 1000 * process.uptime();
  try {
    process.kill(holder, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
