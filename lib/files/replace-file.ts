// A small file that is replaced whole: after a crash it has the old content or the new, and what was on disk before the
// call is not newer than it.

import { open, rename } from 'node:fs/promises';

export async function replaceFile(path: string, text: string): Promise<void> {
  const handle = await open(`${path}.new`, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
}
