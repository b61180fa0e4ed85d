// Directories that appear and disappear as a whole. Next to `<name>` two other names are used:
//   .tmp-<name>-<8 hex>   being written or being deleted; never read, removed by the next write
//   .replaced-<name>      the complete previous <name>, set aside for the moment between two renames
// Kill or power cut while writing: <name> is untouched, a .tmp- remains. After the old one was set aside: <name> is
// absent and .replaced-<name> is it (existingDirectory finds it, the next write moves it back). After the new one was
// renamed into place: it is complete, because its files and then its entries were fsynced before the rename.
// Relies on rename within one directory being atomic, and on one writer per <name> at a time.

import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectoryDurably, syncDirectory } from './durable-file.ts';
import { exists } from './path-kinds.ts';

const temporaryName = /^\.tmp-(.+)-[0-9a-f]{8}$/;
const replacedName = /^\.replaced-(.+)$/;

/** The name a directory listing may show for `name` while it is being replaced. */
export function nameBehind(entry: string): string {
  return replacedName.exec(entry)?.[1] ?? entry;
}

/**
 * Creates `target` with what `write` puts into the directory it is given, or replaces it; all or nothing.
 * @param owns         which sibling names' leftovers from interrupted writes to clear away first.
 * @param checkExisting called with an existing target before anything is written; throws to refuse replacing it.
 */
export async function replaceDirectory(
  target: string,
  owns: (name: string) => boolean,
  checkExisting: (existing: string) => Promise<void>,
  write: (directory: string) => Promise<void>,
): Promise<void> {
  const parent = dirname(target);
  await makeDirectoryDurably(parent);
  await clearLeftovers(parent, owns);
  const isReplacing = await exists(target);
  if (isReplacing) {
    await checkExisting(target);
    // It is to be deleted at the end.
    await access(target, constants.W_OK);
  }

  const temporary = temporaryPath(target);
  const aside = join(parent, `.replaced-${basename(target)}`);
  try {
    await mkdir(temporary);
    await write(temporary);
    await syncDirectory(temporary);
    if (isReplacing) {
      await rename(target, aside);
      await syncDirectory(parent);
    }
    await rename(temporary, target);
  } catch (error) {
    // The first error is the one to report. What cannot be undone now is found, and undone, by the next call.
    if (isReplacing) await bringBack(aside, target).catch(() => {});
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
  await syncDirectory(parent);
  // The new one is in place; what cannot be deleted now is tried again at the next write.
  if (isReplacing) await removeDirectory(aside).catch(() => {});
}

async function bringBack(aside: string, target: string): Promise<void> {
  if (!(await exists(target))) await rename(aside, target);
}

/** Deletes a directory so that no reader ever sees part of it under its name. What cannot be deleted now goes with the next write. */
export async function removeDirectory(path: string): Promise<void> {
  const doomed = temporaryPath(join(dirname(path), nameBehind(basename(path))));
  await rename(path, doomed);
  await syncDirectory(dirname(path));
  await rm(doomed, { recursive: true, force: true }).catch(() => {});
}

/** `path`, or where its contents are when a replacement was interrupted. Changes nothing. */
export async function existingDirectory(path: string): Promise<string> {
  const aside = join(dirname(path), `.replaced-${basename(path)}`);
  return !(await exists(path)) && (await exists(aside)) ? aside : path;
}

/** Finishes or undoes what an interrupted write left in `parent`, for the names that `owns` accepts; what nobody reads may stay. */
export async function clearLeftovers(parent: string, owns: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(parent)) {
    const path = join(parent, entry);
    const temporaryOf = temporaryName.exec(entry)?.[1];
    const replaced = replacedName.exec(entry)?.[1];
    if (temporaryOf !== undefined && owns(temporaryOf)) {
      await rm(path, { recursive: true, force: true }).catch(() => {});
    } else if (replaced !== undefined && owns(replaced)) {
      if (await exists(join(parent, replaced))) await removeDirectory(path).catch(() => {});
      else await rename(path, join(parent, replaced));
    }
  }
}

function temporaryPath(target: string): string {
  return join(dirname(target), `.tmp-${basename(target)}-${randomBytes(4).toString('hex')}`);
}
