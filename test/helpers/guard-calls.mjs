// Puts something before every call of node:fs that changes a file: for processes that are to be killed, or refused, at one of them.

import { createRequire, syncBuiltinESMExports } from 'node:module';

const fs = createRequire(import.meta.url)('node:fs');

/** As it was, for what a guard itself writes. */
export const append = fs.appendFileSync;

/** Opening for reading changes nothing. */
const isWorthIt = (name, args) => name !== 'open' || !/^r(\+)?$/.test(String(args[1] ?? 'r'));

/** Within a call that is guarded: calls that it makes itself are not. */
let isWithin = false;

/**
 * Calls of asynchronous functions are guarded where they begin.
 * @param onCall is given the name of the call without "Sync", its path where it has one, what does it, and, of a write, what does the
 *   first half of it; returns the result of the call. What it throws is thrown, or rejected with, as the call would.
 */
export async function guardCalls(onCall) {
  const guard = (owner, name, { half, isAsync = false, isOfHandle = false } = {}) => {
    const real = owner[name];
    if (typeof real !== 'function') return;
    owner[name] = function (...args) {
      const plainName = name.replace(/Sync$/, '');
      if (isWithin || !isWorthIt(plainName, args)) return real.apply(this, args);
      isWithin = true;
      try {
        const path = typeof args[0] === 'string' && !isOfHandle ? args[0] : undefined;
        const call = { name: plainName, path, run: () => real.apply(this, args) };
        return onCall(half ? { ...call, runHalf: () => half.call(this, real, args) } : call);
      } catch (error) {
        if (isAsync) return Promise.reject(error);
        throw error;
      } finally {
        isWithin = false;
      }
    };
  };

  for (const name of naming) {
    guard(fs.promises, name, { isAsync: true });
    guard(fs, `${name}Sync`);
  }
  for (const name of ['writeFileSync', 'appendFileSync', 'writeSync']) guard(fs, name, { half: halfOfWrite(1) });
  for (const name of ['writeFile', 'appendFile']) guard(fs.promises, name, { half: halfOfWrite(1), isAsync: true });
  for (const name of ['ftruncateSync', 'fsyncSync', 'fdatasyncSync']) guard(fs, name);

  // The class of what open gives is not exported.
  const probe = await fs.promises.open(new URL(import.meta.url));
  const FileHandle = Object.getPrototypeOf(probe);
  await probe.close();
  const handle = { isAsync: true, isOfHandle: true };
  for (const name of ['write', 'writeFile', 'appendFile']) guard(FileHandle, name, { half: halfOfWrite(0), ...handle });
  for (const name of ['writev', 'truncate', 'sync', 'datasync', 'close']) guard(FileHandle, name, handle);
  syncBuiltinESMExports();
}

const naming = [
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

/** Of a write: the first half of the data, which are the argument with that index. */
function halfOfWrite(index) {
  return function (real, args) {
    const data = args[index];
    const size = data.byteLength ?? data.length;
    const first =
      typeof data === 'string' ? data.slice(0, size >> 1) : Buffer.from(data.buffer, data.byteOffset, size >> 1);
    const takesPart = real.name === 'write' || real.name === 'writeSync';
    const rest =
      typeof data === 'string' || !takesPart ? args.slice(index + 1) : [0, size >> 1, ...args.slice(index + 3)];
    return real.apply(this, [...args.slice(0, index), first, ...rest]);
  };
}
