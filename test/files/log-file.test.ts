// A file that is appended to while the disk may be full: a limit on the size of files stands for the disk, in a process of its own.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { LogFile } from '../../lib/files/log-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-log-'));
  onTestFinished(() => rm(directory, { recursive: true }));
});

const encode = (items: readonly string[]) => Buffer.from(items.map((item) => `${item}\n`).join(''));

async function openLog(file: string, listeners: { onWritten?: (item: string) => void; onTrouble?: () => void } = {}) {
  const handle = await open(file, 'a');
  return new LogFile<string>({ path: file, handle, everyMs: 1, encode, ...listeners });
}

test('writes items together, in order, and tells of each once it is in the file', async () => {
  const file = path.join(directory, 'log');
  const told: string[] = [];
  const log = await openLog(file, { onWritten: (item) => told.push(item) });
  log.add('one');
  log.add('two', true);
  expect(await readFile(file, 'utf8')).toBe('one\ntwo\n');
  log.add('three');
  await expect.poll(() => told).toEqual(['one', 'two', 'three']);
  await log.close();
  expect(await readFile(file, 'utf8')).toBe('one\ntwo\nthree\n');
});

test('what a listener throws while the timer runs is thrown by the next call, and the line is in the file', async () => {
  const file = path.join(directory, 'log');
  const heard: string[] = [];
  const onWritten = (item: string) => {
    heard.push(item);
    if (item === 'one') throw new Error('not this one');
  };
  const log = await openLog(file, { onWritten });
  log.add('one');
  await expect.poll(() => heard).toEqual(['one']);
  expect(() => log.add('two')).toThrow('not this one');
  await log.close();
  expect(heard).toEqual(['one', 'two']);
  expect(await readFile(file, 'utf8')).toBe('one\ntwo\n');
});

test.skipIf(!existsSync('/dev/full'))('says once that it cannot write, and at the end what is lost', async () => {
  const said: string[] = [];
  const handle = await open('/dev/full', 'a');
  const onTrouble = (text: string) => said.push(text);
  const log = new LogFile<string>({ path: 'log', handle, everyMs: 1, encode, onTrouble });
  log.add('one', true);
  log.add('two', true);
  await log.close();
  expect(said).toEqual([
    'log: cannot be written (ENOSPC: no space left on device, write); going on, what it lacks is kept and tried again',
    'log: its last 2 lines are lost: ENOSPC: no space left on device, write',
  ]);
});

/** Fills a file up to a limit that falls inside a line, goes on, frees the way and closes. */
const program = (file: string) => `
import { open } from 'node:fs/promises';
import { LogFile } from ${JSON.stringify(new URL('../../lib/files/log-file.ts', import.meta.url).href)};
import { execFileSync } from 'node:child_process';
process.on('SIGXFSZ', () => {});
const encode = (items) => Buffer.from(items.map((item) => item + '\\n').join(''));
const say = (text) => console.log(text.replace(/^.*: c/, 'c'));
const handle = await open(${JSON.stringify(file)}, 'a');
const log = new LogFile({ path: 'log', handle, everyMs: 1, encode, onTrouble: say, onWritten: (item) => console.log('written ' + item.slice(0, 8)) });
for (let i = 0; i < 4; i++) log.add('line ' + i + ' ' + 'x'.repeat(400), true);
execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited:unlimited']);
await log.close();
`;

test.skipIf(process.platform !== 'linux')(
  'a line that was cut in two by a full disk is completed, and no other is lost',
  async () => {
    const file = path.join(directory, 'log');
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', program(file)];
    const said = execFileSync('prlimit', ['--fsize=1024:unlimited', ...node], { encoding: 'utf8' });
    expect(said.split('\n')).toEqual([
      'written line 0 x',
      'written line 1 x',
      'cannot be written (EFBIG: file too large, write); going on, what it lacks is kept and tried again',
      'can be written again; nothing is missing',
      'written line 2 x',
      'written line 3 x',
      '',
    ]);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toEqual([0, 1, 2, 3].map((i) => `line ${i} ${'x'.repeat(400)}`));
  },
);
