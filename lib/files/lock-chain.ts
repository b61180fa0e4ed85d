// How a lock file changes hands so that one process holds it at a time, wherever one of them is killed. Files:
//   <lock>               who holds it, or held it
//   <lock>.new-<token>   the text of a claim, written before it is made: a lock appears with its content
//   <lock>.<token>       who follows the holder with that token; another may follow that one, and so on: the last one holds
// A file is given its name by link(2), which fails where the name exists: of all that want to follow a holder, one does. Only the one
// that follows may replace <lock>, and does, so that the chain is short again. A holder that gives the lock free follows itself
// first, so nobody else does meanwhile. Tokens do not come back: names of a former chain that are left, or appear late, lead nowhere.

import { constants, copyFile, link, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { newLock, readLock, type SeenLock } from './lock-content.ts';
import { type ProcessIdentity, processLife } from './process-identity.ts';

/** Writing takes less, by far. */
const unfinishedMs = 10_000;

/** A claim that is written and not made yet. */
export interface Draft {
  token: string;
  file: string;
  remove(): Promise<void>;
}

export async function writeDraft(lock: string, self: ProcessIdentity): Promise<Draft> {
  const { token, text } = newLock(self);
  const file = `${lock}.new-${token}`;
  await writeFile(file, text, { flag: 'wx' });
  // What cannot be removed says nothing, and goes when the next process holds the lock (clearLeftovers).
  return { token, file, remove: () => rm(file, { force: true }).catch(() => {}) };
}

/** Who holds the lock, or held it last; undefined when it is free. */
export async function lastOfChain(lock: string): Promise<SeenLock | undefined> {
  let last = await readLock(lock);
  for (let next = last; next !== undefined; next = await readLock(followerFile(lock, next.token))) last = next;
  return last;
}

/** Takes a lock that is free. @returns whether it was. */
export function take(lock: string, draft: Draft): Promise<boolean> {
  return place(draft.file, lock);
}

/** Takes the lock from its last holder, who is gone. @returns whether it did; another may have been quicker. */
export async function takeOver(lock: string, from: SeenLock, draft: Draft): Promise<boolean> {
  const follower = followerFile(lock, from.token);
  if (!(await place(draft.file, follower))) return false;
  // It leads here only if nobody followed that holder before, and removed the traces since it was read.
  if ((await lastOfChain(lock))?.token !== draft.token) {
    await rm(follower, { force: true });
    return false;
  }
  await rename(draft.file, lock);
  await rm(follower, { force: true }).catch(() => {});
  return true;
}

/** Gives the lock free that is held by a token; does nothing where another one holds it by now. */
export async function giveFree(lock: string, token: string, self: ProcessIdentity): Promise<void> {
  const removeOwn = async () => {
    if ((await readLock(lock))?.token === token) await rm(lock, { force: true });
  };
  // On a full disk nobody else can take it meanwhile either.
  const draft = await writeDraft(lock, self).catch(() => undefined);
  if (draft === undefined) return removeOwn();
  try {
    const follower = followerFile(lock, token);
    // Where it cannot follow itself, nobody else can do so either.
    if (!(await place(draft.file, follower).catch(() => true))) return;
    await removeOwn();
    await rm(follower, { force: true });
  } finally {
    await draft.remove();
  }
}

/** Removes what processes that were killed have left beside a lock that this one holds. */
export async function clearLeftovers(lock: string, token: string, self: ProcessIdentity): Promise<void> {
  const start = `${basename(lock)}.`;
  for (const name of await readdir(dirname(lock))) {
    if (!name.startsWith(start) || !/^(new-)?[0-9a-f]{32}$/.test(name.slice(start.length))) continue;
    const file = join(dirname(lock), name);
    if (file === followerFile(lock, token)) continue;
    const found = await readLock(file);
    if (found !== undefined && (await isLeftover(found, self))) await rm(file, { force: true });
  }
}

async function isLeftover({ holder, renewedMs }: SeenLock, self: ProcessIdentity): Promise<boolean> {
  if (typeof holder === 'object') return (await processLife(holder, self)) === 'gone';
  // Of a process that was killed while it wrote, or that writes just now.
  return Date.now() - renewedMs > unfinishedMs;
}

/** Whether a name in the directory of a lock belongs to it. */
export function isOfLock(name: string, lockName: string): boolean {
  return name === lockName || name.startsWith(`${lockName}.`);
}

function followerFile(lock: string, token: string): string {
  return `${lock}.${token}`;
}

/** Gives a written file one more name. @returns false where that name exists. */
async function place(file: string, name: string): Promise<boolean> {
  try {
    await link(file, name).catch((error: NodeJS.ErrnoException) => {
      // File systems without links. A kill amid the copy leaves a lock that cannot be read, which holds for a few seconds.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(error.code ?? '')) throw error;
      return copyFile(file, name, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
