// Questions about what stands at a path.

import { lstat, stat } from 'node:fs/promises';
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
