#!/usr/bin/env node
// The burgeon command. Here is only what says why it could not be loaded, as where few files may be open; the rest is program.ts.

import process from 'node:process';
import { types } from 'node:util';

try {
  const { runProgram } = await import('./program.ts');
  await runProgram();
} catch (error) {
  // A full disk or a missing permission is no fault of the program either; anything else shows where it came from.
  const isKnown = types.isNativeError(error) && (error.name === 'BurgeonError' || 'syscall' in error);
  if (!isKnown) throw error;
  const isLimited = 'code' in error && error.code === 'EMFILE';
  const { onStderr } = await import('./colour.ts').catch(() => ({ onStderr: undefined }));
  const name = onStderr?.bad('burgeon:') ?? 'burgeon:';
  console.error(`${name} ${error.message}${isLimited ? '; raise the limit of open files (ulimit -n)' : ''}`);
  process.exitCode = 1;
}
