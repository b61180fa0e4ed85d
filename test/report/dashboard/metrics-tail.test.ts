// A file that somebody writes: every whole line once, however it comes, and word when it is another file.

import { appendFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { MetricsTail } from '../../../lib/report/dashboard/metrics-tail.ts';
import { temporaryDirectory } from '../../checkpoint/helpers.ts';

async function tailed() {
  const file = path.join(await temporaryDirectory(), 'metrics.jsonl');
  const tail = new MetricsTail(file);
  /** What a look hears of; ! is a new beginning. */
  const look = async () => {
    const heard: string[] = [];
    await tail.read({
      onRestart: () => heard.push('!'),
      onLine: ({ chunk, begin, end }) => heard.push(chunk.toString('utf8', begin, end)),
    });
    return heard.join(' ');
  };
  return { file, tail, look };
}

test('lines come once, a torn one when it is whole', async () => {
  const { file, tail, look } = await tailed();
  expect(await look()).toBe('');
  await writeFile(file, 'one\ntwo\nthr');
  expect(await look()).toBe('one two');
  expect(tail.offset).toBe(8);
  expect(await look()).toBe('');
  await appendFile(file, 'ee\n\nfour\n');
  expect(await look()).toBe('three  four');
  expect(await look()).toBe('');
});

test('a file that was touched and not changed has nothing new', async () => {
  const { file, look } = await tailed();
  await writeFile(file, 'one\n');
  expect(await look()).toBe('one');
  await utimes(file, 1, 1);
  expect(await look()).toBe('');
});

test.each([
  ['cut', (file: string) => truncate(file, 4), '! one'],
  ['cut to nothing', (file: string) => truncate(file, 0), '!'],
  [
    'cut and grown beyond where it was',
    async (file: string) => {
      await truncate(file, 4);
      await appendFile(file, 'TWO\nthree\nfour\n');
    },
    '! one TWO three four',
  ],
  [
    'replaced by one that is as long',
    async (file: string) => {
      await writeFile(`${file}.new`, 'ONE\nTWO\n');
      await rename(`${file}.new`, file);
    },
    '! ONE TWO',
  ],
  ['removed', (file: string) => rm(file), '!'],
])('a file that was %s begins anew', async (what, change, heard) => {
  const { file, look } = await tailed();
  await writeFile(file, 'one\ntwo\n');
  expect(await look()).toBe('one two');
  await change(file);
  // Also where the clock of the file system is coarse.
  if (what !== 'removed') await utimes(file, 2, 2);
  expect(await look()).toBe(heard);
  expect(await look()).toBe('');
  await appendFile(file, 'last\n');
  expect(await look()).toBe('last');
});

test('lines longer than what is read at once', async () => {
  const { file, look } = await tailed();
  const long = 'x'.repeat(5 << 20);
  await writeFile(file, 'a\n');
  await look();
  await appendFile(file, `${long}\nb\n`);
  expect(await look()).toBe(`${long} b`);
});
