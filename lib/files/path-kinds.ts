// Questions about what stands at a path.

import { lstat, stat } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { isMissing } from './is-missing.ts';

/** Whether the path leads to a directory, by way of links too; false as well where it cannot be looked at. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** The same of a file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/**
 * Whether there is anything, be it a link to nothing.
 * @throws what the file system says when it cannot tell.
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Whoever opens a pipe waits for the other end, without end where there is none.
 * @throws {BurgeonError} ERR_BURGEON_DATA where one stands in the place of a file that is to be opened.
 */
export async function refusePipe(path: string): Promise<void> {
  const isPipe = (await stat(path).catch(() => undefined))?.isFIFO() ?? false;
  if (isPipe) throw new BurgeonError('ERR_BURGEON_DATA', `${path}: expected a file, found a pipe; remove it`);
}
