// A directory that appears whole or not at all: files are written into a temporary directory beside it, which then
// takes its name. What was there before is replaced only if it is of the same kind and nothing else: a data set of ours,
// as manifest.ts describes it, unless told otherwise.

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { manifestFileName, readManifest } from './manifest.ts';

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

/**
 * Runs `write` with a temporary directory; when it succeeds, that becomes `output`, otherwise it is removed. A process
 * killed in between leaves `<output>.partial-<pid>` behind, and never a damaged `output`.
 * @throws {BurgeonError} ERR_BURGEON_DATA when `output` holds anything but what `kind` says, or cannot be written.
 */
export async function writeDirectory<Result>(
  output: string,
  write: (directory: string) => Promise<Result>,
  kind: OutputKind = dataSet,
): Promise<Result> {
  const target = resolve(output);
  await requireReplaceable(output, kind);
  const partial = `${target}.partial-${process.pid}`;
  const previous = `${target}.previous-${process.pid}`;
  try {
    await attempt(output, async () => {
      await rm(partial, { recursive: true, force: true });
      await makeDirectory(dirname(target));
      await mkdir(partial);
    });
    const result = await write(partial);
    // A long time may have passed.
    const isThere = await requireReplaceable(output, kind);
    await attempt(output, async () => {
      if (isThere) await rename(target, previous);
      await rename(partial, target).catch(async (cause) => {
        if (isThere) await rename(previous, target);
        throw cause;
      });
      await rm(previous, { recursive: true, force: true });
    });
    return result;
  } finally {
    await rm(partial, { recursive: true, force: true });
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
  if (foreign.length === 0) return true;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${output}: expected a new directory or ${kind.name} to replace, found other files (${foreign.slice(0, 3).join(', ')}` +
      `${foreign.length > 3 ? ', ...' : ''}); choose another output, or remove them`,
  );
}

/** Entries that the manifest does not account for; all of them when it is no manifest of ours. */
async function foreignNames(output: string, names: readonly string[]): Promise<string[]> {
  const manifest = await readManifest(output).catch(() => undefined);
  const { train, validation } = manifest?.splits ?? {};
  const own = new Set(manifest ? [manifestFileName, ...(train?.files ?? []), ...(validation?.files ?? [])] : []);
  return names.filter((name) => !own.has(name));
}

async function attempt(output: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${output}: cannot be written (${(cause as Error).message})`, { cause });
  }
}
