// A lock that this process holds. It is renewed now and then, so that processes that cannot see this one know that it lives; and
// when it is lost, because its directory was moved or deleted or somebody took it, the holder learns of it. The directory is kept open:
// on Linux an open directory says where it has gone.

import { type FileHandle, open, readlink, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import type { LockTiming } from './holder-watch.ts';
import { isMissing } from './is-missing.ts';
import { clearLeftovers, giveFree, lastOfChain, take, writeDraft } from './lock-chain.ts';
import { holderText } from './lock-content.ts';
import { makeDirectory } from './make-directory.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What became of a lock. */
export type LockLoss =
  /** Another process holds it. */
  | { what: 'taken'; by: string }
  /** The file is gone from its directory. */
  | { what: 'deleted' }
  /** The directory has another name. */
  | { what: 'moved'; to: string }
  /** The directory is not there any more, and not to be found. */
  | { what: 'removed' };

interface HoldOptions {
  timing: LockTiming;
  /** Word for people. */
  onNote?: ((note: string) => void) | undefined;
}

export class HeldLock {
  readonly #self: ProcessIdentity;
  readonly #timing: LockTiming;
  readonly #onNote: ((note: string) => void) | undefined;
  readonly #directory: FileHandle | undefined;
  readonly #timer: NodeJS.Timeout;
  #file: string;
  #token: string;
  #loss: LockLoss | undefined;
  #seenAt = performance.now();
  #renewing: Promise<void> | undefined;
  #isReleased = false;

  private constructor(
    lock: { file: string; token: string },
    directory: FileHandle | undefined,
    self: ProcessIdentity,
    { timing, onNote }: HoldOptions,
  ) {
    this.#onNote = onNote;
    this.#file = lock.file;
    this.#token = lock.token;
    this.#directory = directory;
    this.#self = self;
    this.#timing = timing;
    // A timer that is forgotten keeps no process alive. What goes wrong in it shows at the next check.
    this.#timer = setInterval(() => void this.#renew(), timing.renew).unref();
  }

  /** Looks after a lock that was taken just now. */
  static async hold(file: string, token: string, self: ProcessIdentity, options: HoldOptions): Promise<HeldLock> {
    // Windows opens no directories; it does not move open ones either.
    const directory = await open(dirname(file), 'r').catch(() => undefined);
    const held = new HeldLock({ file, token }, directory, self, options);
    await held.#renew();
    await clearLeftovers(file, token, self).catch(() => {});
    return held;
  }

  /** Where it is held. */
  get directory(): string {
    return dirname(this.#file);
  }

  /**
   * What became of the lock, as far as is known; undefined while it is held.
   * @param isNow looks, rather than trusting a look of a moment ago.
   */
  async check({ isNow = false } = {}): Promise<LockLoss | undefined> {
    // The timer is late where this process was stopped or had much to do, and then it matters most.
    if (isNow || performance.now() - this.#seenAt > 2 * this.#timing.renew) await this.#renew();
    return this.#loss;
  }

  /**
   * Looks whether the lock is still held.
   * @param activity what is being done meanwhile: 'the sweep went on'.
   * @throws {BurgeonError} ERR_BURGEON_BUSY saying what became of it.
   */
  async require(subject: string, activity: string, advice: string): Promise<void> {
    const loss = await this.check({ isNow: true });
    if (loss === undefined) return;
    throw new BurgeonError('ERR_BURGEON_BUSY', `${subject}: ${lossText(loss)} while ${activity}; ${advice}`);
  }

  /**
   * Gives the lock free. One that is another's by now is left alone; one that cannot be removed is told: whoever comes after the end
   * of this process takes it.
   */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    clearInterval(this.#timer);
    try {
      await this.#renewing;
      if (this.#loss === undefined) await giveFree(this.#file, this.#token, this.#self);
    } catch (error) {
      // Nothing is held in a directory that is gone.
      if (isMissing(error)) return;
      const text = `the lock ${this.#file} cannot be removed (${(error as Error).message}); it counts until this process ends`;
      this.#onNote?.(text);
    } finally {
      await this.#directory?.close().catch(() => {});
    }
  }

  /**
   * Holds a lost lock again, unless somebody else does: where its directory went, where the file was deleted, or in a directory made
   * anew where there is none.
   * @returns the directory; undefined where the lock is not to be had.
   */
  async recover(): Promise<string | undefined> {
    const loss = this.#loss;
    if (loss === undefined) return this.directory;
    if (loss.what === 'taken' || this.#isReleased) return undefined;
    const file = loss.what === 'moved' ? join(loss.to, basename(this.#file)) : this.#file;
    try {
      const last = await lastOfChain(file);
      if (last === undefined) {
        // Another directory in the place of the one that was removed is somebody else's.
        const isThere = loss.what !== 'removed' || (await makeDirectory(dirname(file))).includes(dirname(file));
        if (!isThere || !(await this.#takeAgain(file))) return undefined;
      } else if (last.token !== this.#token) {
        return undefined;
      }
    } catch {
      return undefined;
    }
    this.#file = file;
    this.#loss = undefined;
    return this.directory;
  }

  async #takeAgain(file: string): Promise<boolean> {
    const draft = await writeDraft(file, this.#self);
    try {
      if (!(await take(file, draft))) return false;
      this.#token = draft.token;
      return true;
    } finally {
      await draft.remove();
    }
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#look().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #look(): Promise<void> {
    if (this.#loss !== undefined || this.#isReleased) return;
    try {
      const last = await lastOfChain(this.#file);
      if (last?.token !== this.#token) {
        this.#loss = await this.#explain(last && holderText(last));
        return;
      }
      const now = new Date();
      await utimes(this.#file, now, now);
      this.#seenAt = performance.now();
    } catch {
      // A network file system that does not answer for a while, say. Nobody has taken the lock as long as it is seen to be there.
    }
  }

  /** @param holder of the lock that is found in the place of this one. */
  async #explain(holder: string | undefined): Promise<LockLoss> {
    const own = await this.#directory?.stat();
    const isOwn = async (path: string) => {
      const found = await stat(path).catch(() => undefined);
      return found !== undefined && (own === undefined || (found.ino === own.ino && found.dev === own.dev));
    };
    if (await isOwn(this.directory)) {
      return holder === undefined ? { what: 'deleted' } : { what: 'taken', by: holder };
    }
    const to = this.#directory && (await readlink(`/proc/self/fd/${this.#directory.fd}`).catch(() => undefined));
    return to !== undefined && (await isOwn(to)) ? { what: 'moved', to } : { what: 'removed' };
  }
}

/** "it was moved to runs/b"; it: the directory. */
export function lossText(loss: LockLoss): string {
  switch (loss.what) {
    case 'taken':
      return `its lock was taken over by ${loss.by}`;
    case 'deleted':
      return 'its lock was deleted';
    case 'moved':
      return `it was moved to ${loss.to}`;
    case 'removed':
      return 'it was deleted or moved out of sight';
  }
}
