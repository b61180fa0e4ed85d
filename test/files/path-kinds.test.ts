import { execFileSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import process from 'node:process';
import { expect, it } from 'vitest';
import { readModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { readManifest } from '../../lib/data/manifest.ts';
import { claimLock } from '../../lib/files/lock-file.ts';
import { exists, isDirectory, isFile } from '../../lib/files/path-kinds.ts';
import { MetricsWriter } from '../../lib/train/metrics.ts';
import { useTempDirectory } from '../data/temp-directory.ts';

const temp = useTempDirectory();

it('tells files from directories, and either from nothing', async () => {
  await temp.write('in/a.txt', 'text');
  await symlink(temp.path('in'), temp.path('link'));
  await symlink(temp.path('nowhere'), temp.path('dangling'));
  const kinds = async (name: string) => {
    const path = temp.path(name);
    return [await isDirectory(path), await isFile(path), await exists(path)];
  };
  expect(await kinds('in')).toEqual([true, false, true]);
  expect(await kinds('link')).toEqual([true, false, true]);
  expect(await kinds('in/a.txt')).toEqual([false, true, true]);
  expect(await kinds('dangling')).toEqual([false, false, true]);
  expect(await kinds('none')).toEqual([false, false, false]);
  // Below a file there is nothing to ask about.
  await expect(exists(temp.path('in/a.txt/b'))).rejects.toThrow('ENOTDIR');
  expect([await isDirectory(temp.path('in/a.txt/b')), await isFile(temp.path('in/a.txt/b'))]).toEqual([false, false]);
});

it('a lock that is a link to nothing is not waited for', async () => {
  await temp.write('linked/other', '');
  await symlink(temp.path('nowhere'), temp.path('linked/.lock'));
  const claim = claimLock({ lock: temp.path('linked/.lock'), subject: 'output x', activity: 'is here' });
  await expect(claim).rejects.toThrow(
    /^output x: expected to make the lock .*found a link to nothing there; remove it$/,
  );
});

it.skipIf(process.platform === 'win32').each<[string, (directory: string) => Promise<unknown>]>([
  ['config.json', readModelDirectory],
  ['manifest.json', readManifest],
  ['metrics.jsonl', (directory) => MetricsWriter.open(directory, 0)],
  ['.lock', (directory) => claimLock({ lock: `${directory}/.lock`, subject: 'x', activity: 'is here' })],
])('a pipe in the place of %s is not waited for', async (name, open) => {
  await temp.write('pipes/other', '');
  execFileSync('mkfifo', [temp.path('pipes', name)]);
  await expect(open(temp.path('pipes'))).rejects.toThrow(`${name}: `);
  await expect(open(temp.path('pipes'))).rejects.toThrow('found a pipe; remove it');
});
