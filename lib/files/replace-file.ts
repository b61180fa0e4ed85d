// A small file that is replaced whole: after a crash it has the old content or the new, and what was on disk before the
// call is not newer than it. One that cannot be written leaves the old one alone.

import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { explainWriting } from './explain-writing.ts';

/**
 * Writes or replaces a file. What is no file, such as /dev/stdout, is written to.
 * @param purpose what it is for, in errors: "the report".
 * @throws {BurgeonError} ERR_BURGEON_DATA when that fails; what was there before is kept.
 */
export function replaceFile(path: string, text: string, purpose?: string): Promise<void> {
  const what = purpose === undefined ? path : `${path} (${purpose})`;
  return explainWriting(what, 'what was there before is kept', async () => {
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && !info.isFile()) return writeFile(path, text);
    const next = `${path}.new`;
    try {
      const handle = await open(next, 'w');
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(next, path);
    } catch (error) {
      await rm(next, { force: true }).catch(() => {});
      throw error;
    }
  });
}
