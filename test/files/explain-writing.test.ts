// What is said when files cannot be written, and what is left then.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { explainWriting } from '../../lib/files/explain-writing.ts';
import { replaceFile } from '../../lib/files/replace-file.ts';
import { trainTokenizer } from '../../lib/prepare/train-tokenizer.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';

const failure = (code: string) => Object.assign(new Error(`${code}: no`), { code, syscall: 'write' });

it.each([
  ['ENOSPC', 'the disk is full: free some space'],
  ['EACCES', 'you may not write there'],
  ['EROFS', 'it is on a disk that cannot be written'],
])('%s names the file, what it was for and what is kept', async (code, advice) => {
  const writing = explainWriting('runs/a/report.html (the report)', 'the old one is kept', async () => {
    throw failure(code);
  });
  await expect(writing).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
    message: expect.stringMatching(
      `^runs/a/report.html \\(the report\\): cannot be written \\(${code}: no\\); ${advice}.*; the old one is kept$`,
    ),
  });
});

it('other errors pass as they are', async () => {
  const error = new TypeError('a bug');
  const working = explainWriting('x', 'y', async () => {
    throw error;
  });
  await expect(working).rejects.toBe(error);
});

it('a directory in the place of a file, and a file in that of a directory', async () => {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'report.html'));
  const inDirectory = replaceFile(join(directory, 'report.html'), 'new', 'the report');
  await expect(inDirectory).rejects.toThrow(
    /report\.html \(the report\): .*EISDIR.*it is a directory: name a file in it/,
  );
  await writeFile(join(directory, 'file'), 'mine');
  await expect(replaceFile(join(directory, 'file/x'), 'new')).rejects.toThrow(/ENOTDIR.*a part of its path is a file/);
  await expect(replaceFile(join(directory, 'none/x'), 'new')).rejects.toThrow(/ENOENT.*its directory does not exist/);
  expect((await readdir(directory)).sort()).toEqual(['file', 'report.html']);
});

it('a file is replaced whole', async () => {
  const path = join(await temporaryDirectory(), 'file');
  await replaceFile(path, 'old');
  await replaceFile(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
});

it.runIf(existsSync('/dev/full'))('a device is written to, not replaced', async () => {
  await replaceFile('/dev/null', 'text');
  expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  await expect(replaceFile('/dev/full', 'text')).rejects.toThrow(
    /^\/dev\/full: cannot be written \(ENOSPC.*; what was/,
  );
  expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
});

it.runIf(process.platform !== 'win32')('a pipe that nobody reads is not waited for', async () => {
  const pipe = join(await temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expect(replaceFile(pipe, 'text')).rejects.toThrow(
    /pipe: cannot be written \(ENXIO.*; it is a pipe that nobody reads/,
  );
  const reading = readFile(pipe, 'utf8');
  // The reader opens it in a thread of its own.
  const write = (): Promise<void> => replaceFile(pipe, 'text').catch(write);
  await write();
  expect(await reading).toBe('text');
});

it('the text column of a tokenizer is the one that is named', async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'a.jsonl'), '{"body":"aaaa aaaa"}\n');
  const options = { inputs: [join(directory, 'a.jsonl')], output: join(directory, 'tok'), vocabSize: 260 };
  await expect(trainTokenizer(options)).rejects.toThrow(/"text" is missing.*--text-column/);
  expect((await trainTokenizer({ ...options, textColumn: 'body' })).bytes).toBe(9);
});
