// Imported by a process that is to be killed: SIGKILL right before or right after the n-th of its calls that change files,
// KILL_AT=<n>:before or <n>:after, or amid it, <n>:amid, for writes, of which half is then done. CALLS_LOG=<file>: their names
// go there instead. Calls of asynchronous functions are counted where they begin.

import { createRequire, syncBuiltinESMExports } from 'node:module';

const fs = createRequire(import.meta.url)('node:fs');
const [at, when] = (process.env.KILL_AT ?? '').split(':');
const killAt = at === '' ? Number.POSITIVE_INFINITY : Number(at);
const log = process.env.CALLS_LOG;
const append = fs.appendFileSync;
const isWorthIt = (name, args) => name !== 'open' || !/^r(\+)?$/.test(String(args[1] ?? 'r'));
let calls = 0;
/** Within a call that is counted: calls that it makes itself are not. */
let isWithin = false;

function die() {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at once; nothing may happen before.
  for (;;);
}

function guard(owner, name, half) {
  const real = owner[name];
  if (typeof real !== 'function') return;
  owner[name] = function (...args) {
    if (isWithin || !isWorthIt(name, args)) return real.apply(this, args);
    isWithin = true;
    try {
      calls++;
      if (log) append(log, `${name}\n`);
      if (calls !== killAt) return real.apply(this, args);
      if (when === 'before') die();
      const result = when === 'amid' && half ? half.call(this, real, args) : real.apply(this, args);
      if (typeof result?.then !== 'function') die();
      return result.then(die, die);
    } finally {
      isWithin = false;
    }
  };
}

/** Of a write: the first half of the data, which are the argument with that index. */
const halfOfWrite = (index) =>
  function (real, args) {
    const data = args[index];
    const size = data.byteLength ?? data.length;
    const first =
      typeof data === 'string' ? data.slice(0, size >> 1) : Buffer.from(data.buffer, data.byteOffset, size >> 1);
    const rest = typeof data === 'string' ? args.slice(index + 1) : [0, size >> 1, ...args.slice(index + 3)];
    return real.apply(this, [...args.slice(0, index), first, ...rest]);
  };

const changing = [
  'open',
  'rename',
  'rm',
  'unlink',
  'rmdir',
  'mkdir',
  'link',
  'symlink',
  'truncate',
  'copyFile',
  'utimes',
];
for (const name of changing) {
  guard(fs.promises, name);
  guard(fs, `${name}Sync`);
}
for (const name of ['writeFileSync', 'appendFileSync', 'writeSync']) guard(fs, name, halfOfWrite(1));
for (const name of ['writeFile', 'appendFile']) guard(fs.promises, name, halfOfWrite(1));
for (const name of ['ftruncateSync', 'fsyncSync', 'fdatasyncSync']) guard(fs, name);

// The class of what open gives is not exported.
const probe = await fs.promises.open(new URL(import.meta.url));
const FileHandle = Object.getPrototypeOf(probe);
await probe.close();
for (const name of ['write', 'writeFile', 'appendFile']) guard(FileHandle, name, halfOfWrite(0));
for (const name of ['writev', 'truncate', 'sync', 'datasync', 'close']) guard(FileHandle, name);

syncBuiltinESMExports();
