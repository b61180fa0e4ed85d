// The package in a realm of its own, as Jest loads it (test/package/jest.test.ts runs Jest itself): errors of Node and of the
// addon, and what the program passes in, are recognised though they are of another realm.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';
import { isError } from '../../lib/errors.ts';

test('works where Error, Map and typed arrays are of another realm', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-realm-'));
  try {
    await writeFile(path.join(directory, 'book.txt'), 'It was the best of times. '.repeat(100));
    const program = path.join(import.meta.dirname, 'realm-program.mjs');
    const args = ['--experimental-vm-modules', '--no-warnings', program, path.join(packageRoot, 'dist'), directory];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, BURGEON_DEVICE: '', BURGEON_CUDA_LIBRARY: path.join(directory, 'none.so') },
    });
    expect(JSON.parse(stdout)).toEqual({
      backend: 'cpu',
      codes: [
        ...['ERR_BURGEON_DATA', 'ERR_BURGEON_DTYPE', 'ERR_BURGEON_CUDA', 'ERR_BURGEON_CHECKPOINT'],
        ...['ERR_BURGEON_CHECKPOINT', 'ERR_BURGEON_BUSY', 'ERR_BURGEON_DISPOSED'],
      ],
      step: 3,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test.each([
  ['an Error', new Error('here'), true],
  ['an Error of another realm', runInNewContext('new TypeError("there")'), true],
  ['a DOMException', AbortSignal.abort().reason, true],
  ['what only looks like one', { name: 'Error', message: 'no' }, false],
  ['nothing', undefined, false],
])('isError of %s', (_, value, expected) => {
  expect(isError(value)).toBe(expected);
});
