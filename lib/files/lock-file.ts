// A lock file: one process at a time. One left by a process that no longer lives is taken over.

import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';

/**
 * Creates the lock file, in a directory that exists.
 * @param busy says what is going on, given who holds the lock ("process 17"); the way out is added.
 * @returns releases the lock.
 * @throws {BurgeonError} ERR_BURGEON_BUSY when a living process holds it.
 */
export async function claimLock(lock: string, busy: (holder: string) => string): Promise<() => Promise<void>> {
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
        `${busy(holder > 0 ? `process ${holder}` : 'another process')}; wait for it or choose another output (if no ` +
          `burgeon is running, delete ${lock})`,
      );
    }
    await rm(lock, { force: true });
  }
}

/** The living process that holds a lock file; undefined where none does, or its number cannot be read yet. */
export async function lockHolder(lock: string): Promise<number | undefined> {
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  return holder > 0 && (await isHeld(lock, holder)) ? holder : undefined;
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
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !(await isZombie(holder));
}

/**
 * Whether a process has ended and only its number is left, because its parent has not asked how: in a container, where
 * nothing looks after the children of a process that was killed, that can last. Known on Linux only.
 */
async function isZombie(id: number): Promise<boolean> {
  const line = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '');
  // The state follows the name, which stands in parentheses and may hold any.
  return /^ [ZX]/.test(line.slice(line.lastIndexOf(')') + 1));
}
