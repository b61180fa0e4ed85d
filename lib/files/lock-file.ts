// A lock file: one process at a time, of all that share a directory, in whatever containers and on whatever machines they run. A lock
// that was left by a process that no longer lives is taken over. docs/checkpoint-format.md tells users the rules.

import { lstat, stat } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { whatToDo } from './explain-writing.ts';
import { HeldLock } from './held-lock.ts';
import { HolderWatch, type LockTiming, lockTiming } from './holder-watch.ts';
import { type Draft, lastOfChain, take, takeOver, writeDraft } from './lock-chain.ts';
import { holderText, type SeenLock } from './lock-content.ts';
import { type ProcessIdentity, thisProcess } from './process-identity.ts';

/** A lock, and words about it: "<subject>: <holder> <activity>" reads "output runs/a: process 17 on host-a is training there". */
export interface LockRequest {
  /** The file, in a directory that exists. */
  lock: string;
  subject: string;
  activity: string;
  /** Gives up waiting for a holder of which it is not known whether it lives. */
  signal?: AbortSignal | undefined;
  /** Word for people, when that has to be waited for, or when nobody knows whose the lock was. */
  onNote?: ((note: string) => void) | undefined;
  /** Who this process is; for tests. */
  self?: ProcessIdentity;
  timing?: LockTiming;
}

/**
 * Takes the lock. Where its holder is out of sight, on another machine or in another container, this takes until it renews the lock,
 * a few seconds, or is known to be gone, up to a minute.
 * @throws {BurgeonError} ERR_BURGEON_BUSY when a living process holds it, or may; ERR_BURGEON_CONFIG when the file system refuses.
 */
export async function claimLock(request: LockRequest): Promise<HeldLock> {
  const { lock, subject, timing = lockTiming } = request;
  const self = request.self ?? (await thisProcess());
  try {
    const draft = await writeDraft(lock, self);
    try {
      await acquire(request, draft, new HolderWatch(self, timing));
    } finally {
      await draft.remove();
    }
    return await HeldLock.hold(lock, draft.token, self, { timing, onNote: request.onNote });
  } catch (cause) {
    if (cause instanceof BurgeonError) throw cause;
    const next = whatToDo(cause);
    const reason = `${(cause as Error).message}${next === undefined ? '' : `; ${next}`}`;
    throw new BurgeonError('ERR_BURGEON_CONFIG', `${subject}: expected to make the lock ${lock}, but ${reason}`, {
      cause,
    });
  }
}

async function acquire(request: LockRequest, draft: Draft, watch: HolderWatch): Promise<void> {
  const { lock, signal } = request;
  for (let isTold = false; ; ) {
    if (await take(lock, draft)) return;
    const last = await lastOfChain(lock);
    // Given free meanwhile; or it is ours, and a network file system lost its answer.
    if (last === undefined) {
      await refuseDangling(request);
      continue;
    }
    if (last.token === draft.token) return;
    const state = await watch.look(last);
    if (state === 'gone' && (await takeOver(lock, last, draft))) {
      if (last.holder === undefined) request.onNote?.(unreadableNote(request, last));
      return;
    }
    if (state === 'held' || (state === 'unsure' && signal?.aborted)) throw busy(request, last);
    if (state !== 'unsure') continue;
    if (!isTold) request.onNote?.(waitingNote(request, last));
    isTold = true;
    await watch.pause(signal);
  }
}

/** A link to nothing takes the name of the lock, and tells of no holder. */
async function refuseDangling({ lock, subject }: LockRequest): Promise<void> {
  if (!(await lstat(lock).catch(() => undefined))?.isSymbolicLink()) return;
  if (await stat(lock).catch(() => undefined)) return;
  const text = `${subject}: expected to make the lock ${lock}, found a link to nothing there; remove it`;
  throw new BurgeonError('ERR_BURGEON_CONFIG', text);
}

/** The process that holds a lock, or may; undefined where none does. */
export async function lockHolder(
  lock: string,
  watch?: HolderWatch,
): Promise<{ pid: number | undefined; text: string } | undefined> {
  const last = await lastOfChain(lock);
  if (last === undefined) return undefined;
  const state = await (watch ?? new HolderWatch(await thisProcess())).look(last);
  if (state === 'gone') return undefined;
  const { holder } = last;
  return { pid: typeof holder === 'object' ? holder.pid : holder, text: holderText(last) };
}

function busy({ lock, subject, activity }: LockRequest, last: SeenLock): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_BUSY',
    `${subject}: ${holderText(last)} ${activity}; wait for it or choose another output (if no burgeon is running, delete ${lock})`,
  );
}

function unreadableNote({ lock, subject }: LockRequest, { renewedMs }: SeenLock): string {
  const since = new Date(renewedMs).toISOString().replace(/T(.*?)\.\d+Z$/, ' $1 UTC');
  return (
    `${subject}: took over the lock ${lock}, which does not say whose it was (damaged, or of another program) and was not renewed ` +
    `since ${since}; should another burgeon be at work there, stop one of them`
  );
}

function waitingNote({ lock, subject, timing = lockTiming }: LockRequest, last: SeenLock): string {
  return (
    `${subject}: waiting to see whether ${holderText(last)} still lives and renews ${lock}, for up to ` +
    `${Math.round(timing.stale / 1000)} s (if no burgeon is running, delete it)`
  );
}
