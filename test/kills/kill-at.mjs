// Imported by a process that is to be killed: SIGKILL right before or right after the n-th of its calls that change files,
// KILL_AT=<n>:before or <n>:after, or amid it, <n>:amid, for writes, of which half is then done. CALLS_LOG=<file>: their names
// go there instead.

import { append, guardCalls } from '../helpers/guard-calls.mjs';

const [at, when] = (process.env.KILL_AT ?? '').split(':');
const killAt = at === '' ? Number.POSITIVE_INFINITY : Number(at);
const log = process.env.CALLS_LOG;
let calls = 0;

function die() {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at once; nothing may happen before.
  for (;;);
}

await guardCalls(({ name, run, runHalf }) => {
  calls++;
  if (log) append(log, `${name}\n`);
  if (calls !== killAt) return run();
  if (when === 'before') die();
  const result = when === 'amid' && runHalf ? runHalf() : run();
  if (typeof result?.then !== 'function') die();
  return result.then(die, die);
});
