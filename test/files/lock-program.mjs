// A process of lock-file.test.ts, on the compiled package: claims locks when it is told to, or again and again.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { claimLock } from '../../dist/files/lock-file.js';
import { isRunning } from '../../dist/files/process-identity.js';

const claim = (lock) => claimLock({ lock, subject: 'output x', activity: 'is at work there' });
let held;

const tasks = {
  /** Claims a lock at a time that other processes were given too. */
  async claim({ lock, at }) {
    while (Date.now() < at);
    held = await claim(lock);
  },
  async release() {
    await held.release();
  },
  /** Takes and releases for as long as this process lives, and looks whether it is alone meanwhile. */
  async repeat({ lock, inside }) {
    for (let taken = 0; ; ) {
      try {
        held = await claim(lock);
      } catch (error) {
        if (error.code !== 'ERR_BURGEON_BUSY') throw error;
        continue;
      }
      const other = Number(await readFile(inside, 'utf8').catch(() => ''));
      // One that was killed inside is gone.
      if (other > 0 && (await isRunning(other))) throw new Error(`process ${other} holds the lock too`);
      await writeFile(inside, String(process.pid));
      await new Promise((resolve) => setTimeout(resolve, 1));
      await rm(inside);
      await held.release();
      process.send({ taken: ++taken });
    }
  },
};

process.on('message', async ({ task, ...given }) => {
  try {
    await tasks[task](given);
    process.send({ task });
  } catch (error) {
    process.send({ task, code: error.code, message: error.message });
  }
});
process.on('disconnect', () => process.exit());
