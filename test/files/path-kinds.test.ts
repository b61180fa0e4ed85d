import { symlink } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { exists, isDirectory, isFile } from '../../lib/files/path-kinds.ts';
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
