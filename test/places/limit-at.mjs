// Imported by a process that is to have little of something from its first call that changes a file on, when all code is loaded:
// LEAVE_FILES=<n> descriptors, LEAVE_BYTES=<n> of address space.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { guardCalls } from '../helpers/guard-calls.mjs';

const { LEAVE_FILES: files, LEAVE_BYTES: bytes } = process.env;
const pageBytes = 4096;
let isLimited = false;

await guardCalls(({ run }) => {
  if (!isLimited) {
    isLimited = true;
    const limits = [
      files && `--nofile=${highestDescriptor() + 1 + Number(files)}`,
      bytes && `--as=${Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * pageBytes + Number(bytes)}`,
    ].filter(Boolean);
    const { status, stderr } = spawnSync('prlimit', ['--pid', String(process.pid), ...limits]);
    if (status !== 0) throw new Error(`prlimit: ${stderr}`);
  }
  return run();
});

function highestDescriptor() {
  return Math.max(...readdirSync('/proc/self/fd').map(Number));
}
