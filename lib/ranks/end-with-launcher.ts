// A rank that `burgeon train --ranks` started ends when its launcher is gone, killed for instance: it stops in an orderly way, as
// after SIGTERM, and where that takes too long, at once. So no rank is ever left behind.

import process from 'node:process';
import { graceMs } from './waits.ts';

/** To be called early. The channel does not keep the process alive. */
export function endWithLauncher(withinMs: number = graceMs()): void {
  const onGone = () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), withinMs).unref();
    process.kill(process.pid, 'SIGTERM');
  };
  if (process.connected === false) onGone();
  else {
    process.once('disconnect', onGone);
    process.channel?.unref();
  }
}
