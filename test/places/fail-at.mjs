// Imported by a process whose disk is to fail: of its calls that change files the n-th is refused, FAIL_AT=<n>:<code>:once, or from it
// on all that such a disk refuses, <n>:<code>:on. Half of a write is done before, as disks do. CALLS_LOG=<file>: calls and paths go there.

import { append, guardCalls } from '../helpers/guard-calls.mjs';

const naming = ['open', 'rename', 'rm', 'unlink', 'rmdir', 'mkdir', 'link', 'symlink', 'copyFile'];
const growing = ['open', 'mkdir', 'link', 'symlink', 'copyFile', 'writeFile', 'appendFile', 'write', 'writev'];
const touching = [...naming, 'writeFile', 'appendFile', 'truncate', 'utimes'];

/** What is refused, and what the system says to it. */
const failures = {
  ENOSPC: [growing, 'no space left on device'],
  EDQUOT: [growing, 'disk quota exceeded'],
  EROFS: [touching, 'read-only file system'],
  EACCES: [naming, 'permission denied'],
  EMFILE: [['open', 'writeFile', 'appendFile', 'copyFile'], 'too many open files'],
  EIO: [[...growing, 'sync', 'datasync', 'fsync', 'rename', 'rm', 'truncate', 'ftruncate', 'close'], 'i/o error'],
};

const [at, code, mode] = (process.env.FAIL_AT ?? '').split(':');
const log = process.env.CALLS_LOG;
let calls = 0;
let hasFailed = false;
/** A disk takes a part of what is written first, and then nothing. */
let isShort = false;

await guardCalls(({ name, path, run, runHalf }) => {
  calls++;
  if (log) append(log, `${name} ${path ?? ''}\n`);
  if (code === undefined || calls < Number(at) || (mode === 'once' && hasFailed)) return run();
  const [refused, text] = failures[code];
  if (!refused.includes(name)) return run();
  const isFilling = ['ENOSPC', 'EDQUOT', 'EIO'].includes(code);
  if (isFilling && name === 'write' && !isShort) {
    isShort = true;
    return runHalf();
  }
  hasFailed = true;
  const error = Object.assign(new Error(`${code}: ${text}, ${name}${path === undefined ? '' : ` '${path}'`}`), {
    code,
    syscall: name,
    ...(path === undefined ? {} : { path }),
  });
  // A file is closed whatever is said of it.
  const done = name === 'close' ? run() : isFilling && name !== 'write' ? runHalf?.() : undefined;
  if (typeof done?.then !== 'function') throw error;
  return done.then(() => {
    throw error;
  });
});
