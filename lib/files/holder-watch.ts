// Whether the holder of a lock still lives. One of this machine and PID namespace is looked up; any other one, such as one in a
// container that shares the directory, is known by its lock being renewed. That is watched here rather than computed from times: the
// clocks of two machines differ, and a machine that slept has old locks of processes that live.

import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenLock } from './lock-content.ts';
import { isRunning, type ProcessIdentity, processLife } from './process-identity.ts';

/** Milliseconds. */
export interface LockTiming {
  /** A lock is renewed so often while it is held. */
  renew: number;
  /** One that was not renewed for so long is stale, ... */
  stale: number;
  /** ... if it was watched for at least so long. */
  watch: number;
  /** A lock that cannot be read is stale after so long: only burgeon 0.1.0, or a copy (lock-chain.ts), fills one after making it. */
  unreadable: number;
}

export const lockTiming: LockTiming = { renew: 5_000, stale: 60_000, watch: 15_000, unreadable: 10_000 };

/** @param ageMs since the lock was renewed, by clocks that may differ. @param watchedMs in which it was seen not to be renewed. */
export function isStale({ ageMs, watchedMs }: { ageMs: number; watchedMs: number }, timing = lockTiming): boolean {
  return watchedMs >= timing.stale || (ageMs >= timing.stale && watchedMs >= timing.watch);
}

/** unsure: it is not renewed, and not for long enough to tell. */
export type LockState = 'held' | 'gone' | 'unsure';

const pollMs = 100;
/** A process that was stopped between two looks has not watched all that time. */
const mostBetweenLooksMs = 5 * pollMs;

export class HolderWatch {
  readonly #self: ProcessIdentity;
  readonly #timing: LockTiming;
  #token: string | undefined;
  #renewedMs = 0;
  /** When the last look was, and how long this lock has been seen not to be renewed. */
  #lookedAt = 0;
  #watchedMs = 0;

  constructor(self: ProcessIdentity, timing: LockTiming = lockTiming) {
    this.#self = self;
    this.#timing = timing;
  }

  /** To be called again, with the lock as it is then, while it says 'unsure'. */
  async look(lock: SeenLock): Promise<LockState> {
    const { holder } = lock;
    if (typeof holder === 'number') return (await this.#isOldHolder(holder, lock.renewedMs)) ? 'held' : 'gone';
    if (holder !== undefined) {
      const life = await processLife(holder, this.#self);
      if (life !== 'unknown') return life === 'lives' ? 'held' : 'gone';
    }
    return this.#watch(lock);
  }

  /** Until the next look is worth its while. */
  async pause(signal?: AbortSignal): Promise<void> {
    await sleep(pollMs, undefined, signal ? { signal } : {}).catch(() => {});
  }

  #watch({ token, renewedMs, holder }: SeenLock): LockState {
    const now = performance.now();
    if (token !== this.#token) {
      this.#watchedMs = 0;
      this.#token = token;
    } else if (renewedMs !== this.#renewedMs) {
      this.#watchedMs = 0;
      this.#renewedMs = renewedMs;
      return 'held';
    } else {
      this.#watchedMs += Math.min(now - this.#lookedAt, mostBetweenLooksMs);
    }
    this.#renewedMs = renewedMs;
    this.#lookedAt = now;
    const ageMs = Date.now() - renewedMs;
    const isGone =
      holder === undefined
        ? Math.max(ageMs, this.#watchedMs) >= this.#timing.unreadable
        : isStale({ ageMs, watchedMs: this.#watchedMs }, this.#timing);
    return isGone ? 'gone' : 'unsure';
  }

  /** Of burgeon 0.1.0, on this machine as far as one can know. */
  async #isOldHolder(pid: number, writtenMs: number): Promise<boolean> {
    // Process ids come back, in a restarted container at once: a lock older than this process is not its own.
    if (pid === process.pid) return Date.now() - writtenMs <= 1000 * process.uptime();
    return isRunning(pid);
  }
}
