// A directory that appears whole or not at all: files are written into `<output>.partial` beside it, from where they take
// its name together. What was there before is replaced only if it is of the same kind and nothing else: a data set of
// ours, as manifest.ts describes it, unless told otherwise. A process that is killed leaves `<output>.partial` behind, and the next one with the same job goes on with it.

import { access, constants, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { manifestFileName, readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { directoryKind, someNames } from '../files/directory-kind.ts';
import { syncDirectory } from '../files/durable-file.ts';
import { explainWriting } from '../files/explain-writing.ts';
import type { HeldLock } from '../files/held-lock.ts';
import { isMissing } from '../files/is-missing.ts';
import { isOfLock } from '../files/lock-chain.ts';
import { claimLock, type LockRequest } from '../files/lock-file.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { replaceFile } from '../files/replace-file.ts';

const jobFileName = '.burgeon-job.json';
const lockName = '.burgeon.lock';
const dataName = 'data';
/** Before a process id: what is being replaced, for a moment. */
const previousEnding = '.previous-';

/** What may be replaced. */
export interface OutputKind {
  /** For messages, with its article. */
  name: string;
  /** Entries of a directory, not an empty one, that are no part of it. */
  foreignNames(output: string, names: readonly string[]): Promise<readonly string[]> | readonly string[];
}

const dataSet: OutputKind = {
  name: 'a data set',
  foreignNames: (output, names) => (names.includes(manifestFileName) ? foreignNames(output, names) : names),
};

type Waiting = Pick<LockRequest, 'signal' | 'onNote'>;

export interface WriteOptions extends Waiting {
  /** A data set unless given. */
  kind?: OutputKind;
}

/** `<output>.partial`, while it is filled. */
export interface PartialDirectory {
  /** Becomes the output. */
  data: string;
  /** For what is needed only until then. */
  work: string;
  /** Call when there is something worth going on with: it then stays after a failure too. */
  keep(): void;
  /** @throws {BurgeonError} ERR_BURGEON_BUSY where the directory was taken, moved or deleted meanwhile. */
  requireHeld(): Promise<void>;
}

/**
 * Runs `write` in a partial directory; when it succeeds, the data there becomes `output`. When it fails, all is removed,
 * unless it is to be kept.
 * @param job what is being done: only the same job goes on with what another process has left.
 * @param options.signal ends the wait for a process of which it is not known whether it lives; `onNote` is told of it.
 * @throws {BurgeonError} ERR_BURGEON_DATA when `output` holds anything but what `kind` says, or cannot be written;
 *   ERR_BURGEON_BUSY when another process is writing it.
 */
export async function writeDirectory<Result>(
  output: string,
  job: string,
  write: (partial: PartialDirectory) => Promise<Result>,
  { kind = dataSet, ...waiting }: WriteOptions = {},
): Promise<Result> {
  const target = resolve(output);
  await requireReplaceable(output, kind);
  const root = `${target}.partial`;
  const previous = `${target}${previousEnding}${process.pid}`;
  const partial = { data: join(root, dataName), work: join(root, 'work') };
  const lock = await enter(output, root, job, partial, waiting);
  let isKept = false;
  try {
    const keep = () => {
      isKept = true;
    };
    const requireHeld = () => lock.require(root, `output ${output} was being written`, 'start again');
    const kept = 'nothing there was replaced; the same command goes on from where it stopped, or begins again';
    const writing = explainWriting(output, kept, () => write({ ...partial, keep, requireHeld }));
    const result = await writing.catch(async (error) => {
      // It may be no more than a consequence.
      await requireHeld();
      throw error;
    });
    // A long time may have passed.
    await requireHeld();
    const isThere = await requireReplaceable(output, kind);
    await attempt(output, async () => {
      // What is in it is on disk already, shards and manifest alike.
      await syncDirectory(partial.data);
      if (isThere) await rename(target, previous);
      await rename(partial.data, target).catch(async (cause) => {
        if (isThere) await rename(previous, target);
        throw cause;
      });
      await syncDirectory(dirname(target));
    });
    isKept = false;
    await clearPrevious(target);
    return result;
  } finally {
    const isLost = (await lock.check()) !== undefined;
    // What cannot be removed now is in nobody's way: the next process begins with that.
    if (!isKept && !isLost) await clear(root).catch(() => {});
    await lock.release();
    // Not where the next process is in it already.
    if (!isKept && !isLost) await rmdir(root).catch(() => {});
  }
}

/** Removes what was replaced, now or by a process that was killed then; the lock is held. */
async function clearPrevious(target: string): Promise<void> {
  const start = `${basename(target)}${previousEnding}`;
  const names = await readdir(dirname(target)).catch(() => []);
  for (const name of names.filter((other) => other.startsWith(start) && /^\d+$/.test(other.slice(start.length)))) {
    await rm(join(dirname(target), name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Removes what is in the partial directory. The job goes last: without it the rest would pass for somebody else's. */
async function clear(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => !isOfLock(name, lockName) && name !== jobFileName);
  for (const name of [...names, jobFileName]) await rm(join(root, name), { recursive: true, force: true });
}

/** Makes the partial directory, or takes over one of the same job. */
async function enter(
  output: string,
  root: string,
  job: string,
  { data, work }: { data: string; work: string },
  waiting: Waiting,
): Promise<HeldLock> {
  const lock = await claim(output, root, waiting);
  try {
    await attempt(output, async () => {
      const jobPath = join(root, jobFileName);
      const isSame = (await readFile(jobPath, 'utf8').catch(() => '')) === job;
      // A process killed at the very end has moved the data already.
      if (!isSame || !(await readdir(root)).includes(dataName)) {
        await clear(root);
        await replaceFile(jobPath, job);
      }
      for (const path of [data, work]) await makeDirectory(path);
    });
    return lock;
  } catch (error) {
    await lock.release();
    await rmdir(root).catch(() => {});
    throw error;
  }
}

async function claim(output: string, root: string, waiting: Waiting): Promise<HeldLock> {
  for (;;) {
    await attempt(output, () => makeDirectory(root));
    const foreign = (await readdir(root).catch(() => [])).filter((name) => !isOfLock(name, lockName));
    // With an ending, it was about to get its name.
    if (foreign.length > 0 && !foreign.some((name) => name.startsWith(jobFileName))) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${root}: expected what an interrupted burgeon has left, or nothing, found other files ` +
          `(${someNames(foreign)}); choose another output, or move them`,
      );
    }
    try {
      const [lock, subject] = [join(root, lockName), `output ${output}`];
      return await claimLock({ lock, subject, activity: 'is writing it', ...waiting });
    } catch (error) {
      // A process that is done removes the directory.
      if (isMissing((error as Error).cause)) continue;
      // Unless there is something in it.
      await rmdir(root).catch(() => {});
      throw error;
    }
  }
}

/** @returns whether `output` exists. */
async function requireReplaceable(output: string, kind: OutputKind): Promise<boolean> {
  let names: string[];
  try {
    names = await readdir(output);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    throw new BurgeonError('ERR_BURGEON_DATA', `${output}: expected a directory or nothing (${message})`, { cause });
  }
  if (names.length === 0) return true;
  const foreign = await kind.foreignNames(output, names);
  // It is to be deleted at the end.
  if (foreign.length === 0) await attempt(output, () => access(output, constants.W_OK));
  if (foreign.length === 0) return true;
  const [found, next] = whatIsThere(output, names, foreign, kind);
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${output}: expected a new directory or ${kind.name} to replace, found ${found}; choose another output${next}`,
  );
}

/** What is found, and what else could be done about it than to choose another output. */
function whatIsThere(
  output: string,
  names: readonly string[],
  foreign: readonly string[],
  kind: OutputKind,
): [found: string, next: string] {
  const found = directoryKind(names);
  if (found !== undefined && found.what !== kind.name) return [`${found.what} (${found.sign})`, ''];
  if (found !== undefined && kind === dataSet && foreign.length === names.length) {
    return [`${found.what} whose ${found.sign} cannot be read`, `, or remove ${output}`];
  }
  return [`other files (${someNames([...foreign].sort())})`, ', or remove them'];
}

/** Entries that the manifest does not account for; all of them when it is no manifest of ours. */
async function foreignNames(output: string, names: readonly string[]): Promise<readonly string[]> {
  const manifest = await readManifest(output).catch(() => undefined);
  if (!manifest) return names;
  const { train, validation } = manifest.splits;
  const own = new Set([
    manifestFileName,
    manifest.source.list,
    manifest.skipped.list,
    ...train.files,
    ...(validation?.files ?? []),
  ]);
  return names.filter((name) => !own.has(name));
}

async function attempt(output: string, action: () => Promise<unknown>): Promise<void> {
  await explainWriting(output, 'nothing there was replaced', action);
}
