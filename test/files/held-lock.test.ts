// What a holder learns when its lock is lost, and what it can still do. Nothing of another process is touched.

import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { HeldLock } from '../../lib/files/held-lock.ts';
import { lockTiming } from '../../lib/files/holder-watch.ts';
import { claimLock } from '../../lib/files/lock-file.ts';
import { thisProcess } from '../../lib/files/process-identity.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { leaveLock } from './lock-processes.ts';

const name = '.burgeon.lock';

interface Place {
  root: string;
  directory: string;
  lock: string;
  held: HeldLock;
}

async function holding(): Promise<Place> {
  const root = await temporaryDirectory();
  const directory = path.join(root, 'run');
  await mkdir(directory);
  const lock = path.join(directory, name);
  const held = await claimLock({ lock, subject: 'output run', activity: 'is at work there' });
  onTestFinished(() => held.release());
  return { root, directory, lock, held };
}

async function takenBy(lock: string, host: string): Promise<string> {
  await rm(lock, { force: true });
  await leaveLock(lock, { ...(await thisProcess()), host });
  return readFile(lock, 'utf8');
}

describe.runIf(process.platform === 'linux')('a directory that was', () => {
  test('moved is found, and the lock in it is still held', async () => {
    const { root, directory, held } = await holding();
    const to = path.join(root, 'other');
    await rename(directory, to);
    expect(await held.check({ isNow: true })).toEqual({ what: 'moved', to });
    expect(await held.recover()).toBe(to);
    expect(await held.check({ isNow: true })).toBeUndefined();
    await held.release();
    expect(await readdir(to)).toEqual([]);
    expect(await readdir(root)).toEqual(['other']);
  });

  test('moved out of a directory in which another run began is found', async () => {
    const { root, directory, lock, held } = await holding();
    const to = path.join(root, 'other');
    await rename(directory, to);
    await mkdir(directory);
    const text = await takenBy(lock, 'far');
    expect(await held.check({ isNow: true })).toEqual({ what: 'moved', to });
    expect(await held.recover()).toBe(to);
    await held.release();
    expect(await readFile(lock, 'utf8')).toBe(text);
  });

  test('moved, with a link to it in its place, is as it was', async () => {
    const { root, directory, held } = await holding();
    await rename(directory, path.join(root, 'other'));
    await symlink('other', directory);
    expect(await held.check({ isNow: true })).toBeUndefined();
  });

  test('moved with its parent is found', async () => {
    const { root, held } = await holding();
    const moved = `${root}-moved`;
    onTestFinished(() => rm(moved, { recursive: true, force: true }));
    await rename(root, moved);
    expect(await held.check({ isNow: true })).toMatchObject({ what: 'moved' });
    expect(await held.recover()).toBe(path.join(moved, 'run'));
  });
});

describe('a lock', () => {
  test('whose directory was deleted can be had in a new one', async () => {
    const { root, directory, held } = await holding();
    await rm(directory, { recursive: true });
    expect(await held.check({ isNow: true })).toEqual({ what: 'removed' });
    expect(await held.recover()).toBe(directory);
    expect(await readdir(root)).toEqual(['run']);
    await held.release();
    expect(await readdir(directory)).toEqual([]);
  });

  test('whose directory was deleted, with another in its place, is lost', async () => {
    const { directory, held } = await holding();
    await rm(directory, { recursive: true });
    await mkdir(directory);
    // On a file system that gives the same inode again, it is the lock that is gone.
    expect(await held.check({ isNow: true })).toMatchObject({ what: expect.stringMatching(/removed|deleted/) });
    await held.release();
    expect(await readdir(directory)).toEqual([]);
  });

  test('whose directory was replaced by a file is lost', async () => {
    const { directory, held } = await holding();
    await rm(directory, { recursive: true });
    await writeFile(directory, 'x');
    expect(await held.check({ isNow: true })).toEqual({ what: 'removed' });
    expect(await held.recover()).toBeUndefined();
  });

  test('that was deleted can be had again', async () => {
    const { directory, lock, held } = await holding();
    await rm(lock);
    expect(await held.check({ isNow: true })).toEqual({ what: 'deleted' });
    expect(await held.recover()).toBe(directory);
    expect(await held.check({ isNow: true })).toBeUndefined();
    await held.release();
    expect(await readdir(directory)).toEqual([]);
  });

  test('that was deleted and taken by another meanwhile is the other one’s', async () => {
    const { lock, held } = await holding();
    await rm(lock);
    await held.check({ isNow: true });
    const text = await takenBy(lock, 'far');
    expect(await held.recover()).toBeUndefined();
    await held.release();
    expect(await readFile(lock, 'utf8')).toBe(text);
  });

  test('that was taken is the other one’s', async () => {
    const { lock, held } = await holding();
    const text = await takenBy(lock, 'far');
    expect(await held.check({ isNow: true })).toEqual({
      what: 'taken',
      by: expect.stringMatching(new RegExp(`^process ${process.pid} on far \\(since `)),
    });
    expect(await held.recover()).toBeUndefined();
    await held.release();
    expect(await readFile(lock, 'utf8')).toBe(text);
  });

  test('that is taken before its release, unnoticed, is left alone', async () => {
    const { lock, held } = await holding();
    const text = await takenBy(lock, 'far');
    await held.release();
    expect(await readFile(lock, 'utf8')).toBe(text);
  });

  test('that somebody follows is lost, though its file is there', async () => {
    const { lock, held } = await holding();
    const { token } = JSON.parse(await readFile(lock, 'utf8'));
    await leaveLock(`${lock}.${token}`, { ...(await thisProcess()), host: 'far' });
    expect(await held.check({ isNow: true })).toMatchObject({ what: 'taken' });
    await held.release();
    expect((await readdir(path.dirname(lock))).sort()).toEqual([name, `${name}.${token}`]);
  });

  test('is looked at by a timer too, which throws nothing and keeps no process alive', async () => {
    const root = await temporaryDirectory();
    const lock = path.join(root, name);
    const timing = { ...lockTiming, renew: 5 };
    const held = await claimLock({ lock, subject: 'output run', activity: 'is at work there', timing });
    onTestFinished(() => held.release());
    await rm(lock);
    await expect.poll(() => held.check()).toEqual({ what: 'deleted' });
  });

  test('can be released twice', async () => {
    const { directory, held } = await holding();
    await held.release();
    await held.release();
    expect(await readdir(directory)).toEqual([]);
  });
});
