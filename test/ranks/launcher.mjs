// Starts ranks as the command does, with a program in place of it: node launcher.mjs GRACE_MS RANKS PROGRAM ARGUMENT...

import process from 'node:process';
import { interruptSignal } from '../../dist/cli/interrupt.js';
import { launchRanks } from '../../dist/ranks/launch.js';

const [graceMs, ranks, ...program] = process.argv.slice(2);
const interrupt = interruptSignal(() => {});
process.exitCode = await launchRanks({
  ranks: Number(ranks),
  command: [process.execPath, ...program],
  stop: interrupt.signal,
  stopSignal: interrupt.by,
  graceMs: Number(graceMs),
  restarts: Number(process.env.RESTARTS ?? 0),
  fewer: (count) => (count > Number(process.env.AT_LEAST ?? count) ? count - 1 : undefined),
  commandAgain: [process.execPath, program[0], ...(process.env.AGAIN ?? '').split(' ')],
});
interrupt.release();
