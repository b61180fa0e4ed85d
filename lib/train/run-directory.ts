// The directory of a run: who may start in it, and that only one process trains in it at a time.

import { readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import {
  clearInterrupted,
  damageText,
  type FoundCheckpoint,
  latestCheckpoint,
  latestIntactCheckpoint,
} from '../checkpoint/checkpoint-list.ts';
import { BurgeonError } from '../errors.ts';
import { directoryKind, foreignContent } from '../files/directory-kind.ts';
import { makeDirectoryDurably } from '../files/durable-file.ts';
import { whatToDo } from '../files/explain-writing.ts';
import type { HeldLock } from '../files/held-lock.ts';
import { isMissing } from '../files/is-missing.ts';
import { claimLock, type LockRequest } from '../files/lock-file.ts';
import { bringRunBack, clearDiscarded, discardSetAside, isRunName, setRunAside } from './set-aside.ts';

/**
 * new: only where no run is; resume: continue the newest intact checkpoint, which must be there; auto: continue it, or start
 * anew where there is none; overwrite: replace what is there, which is deleted once the new run has a checkpoint, and comes back
 * where it gets none.
 */
export type StartMode = 'new' | 'resume' | 'auto' | 'overwrite';

/** In the run directory, while a process trains there. */
export const runLockName = '.burgeon.lock';

/** In the message for a second one. */
export const isTrainingThere = 'is training there';

export interface EnteredRun {
  /** The checkpoint to continue from. */
  latest: FoundCheckpoint | undefined;
  /** Newer checkpoints that are not intact. */
  skipped: FoundCheckpoint[];
  /** Of the directory; checked before anything is written there by name. */
  lock: HeldLock;
  /** The run has a checkpoint, or needs the room for one: what it replaces may go. */
  begun(): Promise<void>;
  /**
   * Gives the directory free for others; what was to be replaced by a run that did no step is there again, and a directory that
   * was made for nothing is not.
   */
  leave(): Promise<void>;
}

/** What there is to wait for, and to tell. */
export type ClaimOptions = Pick<LockRequest, 'signal' | 'onNote'>;

/**
 * Claims a run directory.
 * @throws {BurgeonError} ERR_BURGEON_BUSY when another process trains there; ERR_BURGEON_CONFIG for `new` where a run is, for
 *   `resume` where no intact checkpoint is, and where there is something else.
 */
export async function enterRunDirectory(
  directory: string,
  mode: StartMode,
  options: ClaimOptions = {},
): Promise<EnteredRun> {
  const isThere = await requireRunPlace(directory);
  if (mode === 'resume' && !isThere) refuseToResume(directory, []);
  const made = await makeDirectoryDurably(directory).catch((cause) => {
    const next = whatToDo(cause) ?? 'choose another output';
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `output ${directory}: expected a directory that can be written, but ${(cause as Error).message}; ${next}`,
      { cause },
    );
  });
  const lock = await claimLock({
    lock: path.join(directory, runLockName),
    subject: `output ${directory}`,
    activity: isTrainingThere,
    ...options,
  }).catch(async (error) => {
    await removeEmpty(made);
    throw error;
  });
  const leave = async () => {
    const loss = await lock.check({ isNow: true });
    // What was set aside went with the directory, if that was moved; otherwise what is there is somebody else's.
    const isHeld = loss === undefined || (loss.what === 'moved' && (await lock.recover()) !== undefined);
    try {
      if (isHeld) await bringRunBack(lock.directory);
    } finally {
      await lock.release();
    }
    if (loss === undefined) await removeEmpty(made);
  };
  try {
    // Of a process that was killed before its first checkpoint.
    await bringRunBack(directory);
    await clearDiscarded(directory);
    await clearInterrupted(directory);
    const continues = mode === 'resume' || mode === 'auto';
    const { latest, skipped } = await (continues ? latestIntactCheckpoint : latestCheckpoint)(directory);
    const begun = () => discardSetAside(directory);
    if (mode === 'resume' && latest === undefined) refuseToResume(directory, skipped);
    if (continues) return { latest, skipped, lock, begun, leave };
    if (mode === 'overwrite') {
      await setRunAside(directory);
    } else if (latest !== undefined || skipped.length > 0) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `output ${directory}: expected no run there, found ${latest ? `a checkpoint at step ${latest.step}` : 'damaged checkpoints'}; continue it with --resume, replace it with --overwrite, or choose another output`,
      );
    }
    return { latest: undefined, skipped: [], lock, begun, leave };
  } catch (error) {
    // The first error is the one to report.
    await leave().catch(() => {});
    throw error;
  }
}

/**
 * A run may go where nothing is, or a run, or no more than notes: not among the files of a data set, a model or a project.
 * @returns whether the directory exists.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where there is something else.
 */
export async function requireRunPlace(directory: string): Promise<boolean> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    // What else there may be shows when it is made.
    return !isMissing(error);
  }
  if (directoryKind(names)?.what === 'a run') return true;
  const foreign = foreignContent(names, isRunName);
  if (foreign === undefined) return true;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `output ${directory}: expected a new directory or that of a run, found ${foreign}; choose another output`,
  );
}

/** Of directories that were made, outermost first: those in which nothing is, whoever is in the others. */
async function removeEmpty(made: readonly string[]): Promise<void> {
  for (const directory of made.toReversed()) await rmdir(directory).catch(() => {});
}

function refuseToResume(directory: string, damaged: readonly FoundCheckpoint[]): never {
  const found = damaged.length === 0 ? 'none' : damaged.map(damageText).join('; ');
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `output ${directory}: expected an intact checkpoint to resume, found ${found}; start without --resume, or with --auto-resume, which resumes where there is something to resume`,
  );
}
