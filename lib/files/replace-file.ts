// A small file that is replaced whole: after a crash it has the old content or the new, and what was on disk before the
// call is not newer than it. One that cannot be written leaves the old one alone.

import { constants, open, rename, rm, stat, writeFile } from 'node:fs/promises';
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
    if (info?.isFIFO()) return writeToPipe(path, text);
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

/**
 * Opening a pipe that nobody reads would wait for a reader without end. One end is held until all is written: closed before, the
 * reader would take that for the end.
 * @throws ENXIO where nobody reads.
 */
async function writeToPipe(path: string, text: string): Promise<void> {
  const held = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    await writeFile(path, text);
  } finally {
    await held.close();
  }
}
