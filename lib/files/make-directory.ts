// mkdir -p. Not Node's recursive mkdir, which never returns where a parent exists but takes no directories (/proc on
// Linux).

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDirectory } from './path-kinds.ts';

/**
 * Makes a directory and its parents where they are missing.
 * @returns the directories that were made, outermost first.
 */
export async function makeDirectory(path: string): Promise<string[]> {
  const parent = dirname(path);
  let made: string[] = [];
  try {
    await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || parent === path) throw error;
      made = await makeDirectory(parent);
      await mkdir(path);
    });
    return [...made, path];
  } catch (error) {
    // There already, or made by somebody else meanwhile.
    if (await isDirectory(path)) return made;
    throw error;
  }
}
