// A small file that is replaced whole: after a crash it has the old content or the new, and what was on disk before the
// call is not newer than it. One that cannot be written leaves the old one alone.

import { open, rename, rm } from 'node:fs/promises';

export async function replaceFile(path: string, text: string): Promise<void> {
  const file = `${path}.new`;
  const handle = await open(file, 'w');
  try {
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(file, path);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}
