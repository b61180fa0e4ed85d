// A lock is held by one process: whoever races for it, wherever a holder was killed, and where the holder cannot be seen.

import { once } from 'node:events';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isStale, type LockTiming } from '../../lib/files/holder-watch.ts';
import { claimLock, type LockRequest, lockHolder } from '../../lib/files/lock-file.ts';
import { type ProcessIdentity, thisProcess } from '../../lib/files/process-identity.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { goneIdentity, goneProcess, leaveLock, startProcess, tell } from './lock-processes.ts';

/** Watches briefly; renews rarely. */
const brief: LockTiming = { renew: 60_000, stale: 200, watch: 100, unreadable: 100 };
/** Watches for as long as it takes; renews often. */
const patient: LockTiming = { renew: 10, stale: 50_000, watch: 50_000, unreadable: 50_000 };

async function newPath(): Promise<string> {
  return path.join(await temporaryDirectory(), '.burgeon.lock');
}

const claim = (lock: string, options: Partial<LockRequest> = {}) =>
  claimLock({ lock, subject: 'output x', activity: 'is at work there', ...options });

const busy = { code: 'ERR_BURGEON_BUSY' };

const namesBeside = (lock: string) => readdir(path.dirname(lock));

async function canBeTaken(lock: string, options: Partial<LockRequest> = {}): Promise<void> {
  const held = await claim(lock, options);
  expect(await namesBeside(lock)).toEqual(['.burgeon.lock']);
  await held.release();
  expect(await namesBeside(lock)).toEqual([]);
}

describe('of processes that meet', () => {
  test.each<[string, (lock: string) => Promise<unknown>]>([
    ['no lock', async () => {}],
    ['the lock of a process that is gone', async (lock) => leaveLock(lock, await goneIdentity())],
    ['one of burgeon 0.1.0', (lock) => writeFile(lock, String(goneProcess()))],
    [
      'one that another was about to take over when it was killed',
      async (lock) => {
        const token = await leaveLock(lock, await goneIdentity());
        await leaveLock(`${lock}.${token}`, await goneIdentity());
      },
    ],
  ])('%s, one gets it, every time', async (_, leave) => {
    const children = Array.from({ length: 6 }, startProcess);
    for (let round = 0; round < 10; round++) {
      const lock = await newPath();
      await leave(lock);
      const at = Date.now() + 20;
      const answers = await Promise.all(children.map((child) => tell(child, { task: 'claim', lock, at })));
      const holders = children.filter((_, i) => answers[i]!.code === undefined);
      expect(holders, JSON.stringify(answers)).toHaveLength(1);
      for (const { code, message } of answers) {
        if (code !== undefined) expect({ code, message }).toMatchObject({ ...busy, message: expect.any(String) });
      }
      expect(await lockHolder(lock)).toMatchObject({ pid: holders[0]!.pid });
      await tell(holders[0]!, { task: 'release' });
      expect(await namesBeside(lock)).toEqual([]);
    }
  });

  test('and are killed at any moment, one holds it, and the next gets it at once', async () => {
    const lock = await newPath();
    const inside = path.join(await temporaryDirectory(), 'inside');
    const wrong: string[] = [];
    let taken = 0;
    const begin = () => {
      const child = startProcess();
      child.on('message', ({ code, message }: { code?: string; message?: string }) => {
        if (message !== undefined) wrong.push(`${code} ${message}`);
        else taken++;
      });
      child.send({ task: 'repeat', lock, inside });
      return child;
    };
    const children = [begin(), begin(), begin()];
    for (let kills = 0; kills < 25; kills++) {
      const before = taken;
      await expect.poll(() => taken, { timeout: 30_000, interval: 1 + (kills % 5) }).toBeGreaterThan(before);
      const child = children.shift()!;
      child.kill('SIGKILL');
      await once(child, 'exit');
      children.push(begin());
    }
    for (const child of children) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(wrong).toEqual([]);
    // What was not even written when its process was killed is removed later.
    const old = new Date('2020-01-01');
    for (const name of await namesBeside(lock)) await utimes(path.join(path.dirname(lock), name), old, old);
    await canBeTaken(lock, { timing: patient });
  }, 120_000);
});

describe('a lock that was left behind', () => {
  test.each<[string, (self: ProcessIdentity) => Partial<ProcessIdentity>]>([
    ['by a process that is gone', () => ({ pid: goneProcess() })],
    ['by an earlier process with the id of this one', () => ({ start: '1' })],
    ['by an earlier process with the id of another one', () => ({ pid: process.ppid, start: '1' })],
    ['by a thread of this process that is gone', () => ({ thread: { id: goneProcess(), start: '1' } })],
    ['by an earlier thread with the id of this one', ({ pid }) => ({ thread: { id: pid, start: '1' } })],
  ])('%s is taken over at once', async (_, change) => {
    const lock = await newPath();
    const self = await thisProcess();
    await leaveLock(lock, { ...self, ...change(self) });
    expect(await lockHolder(lock)).toBeUndefined();
    await canBeTaken(lock, { timing: patient });
  });

  test('in the midst of being given free is taken over at once', async () => {
    const lock = await newPath();
    const gone = await goneIdentity();
    const token = await leaveLock(lock, gone);
    await leaveLock(`${lock}.${token}`, gone);
    await leaveLock(`${lock}.new-${'0'.repeat(32)}`, gone);
    await canBeTaken(lock, { timing: patient });
  });

  test('is not free while another process takes it over', async () => {
    const lock = await newPath();
    const token = await leaveLock(lock, await goneIdentity());
    await leaveLock(`${lock}.${token}`, await thisProcess());
    await expect(claim(lock)).rejects.toMatchObject(busy);
  });

  test.each([
    ['an empty one', ''],
    ['a torn one', '{"format":"burgeon-lo'],
    ['one of another program', '{"pid":1}'],
    ['one whose token leads elsewhere', '{"format":"burgeon-lock","token":"../../x","pid":1}'],
    ['a large one', 'x'.repeat(1 << 20)],
  ])('%s is respected for a moment, and then taken', async (_, text) => {
    const lock = await newPath();
    await writeFile(lock, text);
    const given = await claim(lock, { timing: patient, signal: AbortSignal.abort() }).catch((error) => error);
    expect(given).toMatchObject({ ...busy, message: expect.stringContaining('another process is at work there') });
    const notes: string[] = [];
    await canBeTaken(lock, { timing: brief, onNote: (note) => void notes.push(note) });
    expect(notes).toContainEqual(
      expect.stringMatching(
        /^output x: took over the lock .*burgeon\.lock, which does not say whose it was .* since 20.* UTC; /,
      ),
    );
    await writeFile(lock, text);
    await utimes(lock, new Date('2020-01-01'), new Date('2020-01-01'));
    await canBeTaken(lock);
  });

  test('that is a directory is named', async () => {
    const lock = await newPath();
    await mkdir(lock);
    await expect(claim(lock)).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining(`output x: expected to make the lock ${lock}, but EISDIR`),
    });
    expect(await namesBeside(lock)).toEqual(['.burgeon.lock']);
  });
});

describe('a holder out of sight', () => {
  const elsewhere: [string, Partial<ProcessIdentity>][] = [
    ['in another container of this machine', { pidNamespace: 'pid:[1]', host: 'c0ffee' }],
    ['on another machine', { boot: '00000000-0000-0000-0000-000000000000', host: 'far' }],
    ['on another machine of the same name', { boot: '00000000-0000-0000-0000-000000000000' }],
    ['whose start is not known', { start: null }],
  ];

  test.each(elsewhere)('%s keeps the lock while it renews it', async (_, change) => {
    const lock = await newPath();
    const self = { ...(await thisProcess()), ...change };
    const held = await claim(lock, { self, timing: patient });
    onTestFinished(() => held.release());
    const notes: string[] = [];
    const onNote = (note: string) => void notes.push(note);
    await expect(claim(lock, { timing: patient, onNote })).rejects.toMatchObject({
      ...busy,
      message: expect.stringMatching(
        new RegExp(
          `^output x: process ${self.pid} on ${self.host} \\(since [-\\d]+ [:\\d]+ UTC\\) is at work there; wait for it or ` +
            'choose another output \\(if no burgeon is running, delete .*burgeon.lock\\)$',
        ),
      ),
    });
    expect(notes).toEqual([
      expect.stringMatching(/^output x: waiting to see whether process .* still lives and renews .*, for up to 50 s/),
    ]);
    expect(await held.check({ isNow: true })).toBeUndefined();
  });

  test.each(elsewhere)('%s loses it when it does not', async (_, change) => {
    const lock = await newPath();
    await leaveLock(lock, { ...(await thisProcess()), ...change });
    expect(await lockHolder(lock)).toBeDefined();
    await canBeTaken(lock, { timing: brief });
  });

  test.each([
    ['seen just now', 0, 0, false],
    ['watched for half a minute', 30_000, 30_000, false],
    ['watched for a minute', 60_000, 60_000, true],
    ['an hour old, and seen just now', 3_600_000, 0, false],
    ['an hour old, and watched for three renewals', 3_600_000, 15_000, true],
    ['of a clock that is ahead', -3_600_000, 59_000, false],
    ['of a clock that is ahead, watched for a minute', -3_600_000, 60_000, true],
  ])('whose lock is %s', (_, ageMs, watchedMs, expected) => {
    expect(isStale({ ageMs, watchedMs })).toBe(expected);
  });

  test('is not waited for when the work is to stop', async () => {
    const lock = await newPath();
    await leaveLock(lock, { ...(await thisProcess()), pidNamespace: 'pid:[1]' });
    const controller = new AbortController();
    const onNote = () => controller.abort();
    await expect(claim(lock, { timing: patient, signal: controller.signal, onNote })).rejects.toMatchObject(busy);
    expect(await namesBeside(lock)).toEqual(['.burgeon.lock']);
  });

  test('and of an old time is watched nevertheless, as a machine may have slept', async () => {
    const lock = await newPath();
    const held = await claim(lock, {
      self: { ...(await thisProcess()), host: 'c0ffee', start: null },
      timing: patient,
    });
    onTestFinished(() => held.release());
    await utimes(lock, new Date('2020-01-01'), new Date('2020-01-01'));
    await expect(claim(lock, { timing: { ...brief, watch: 50_000 } })).rejects.toMatchObject(busy);
  });

  test('is known to burgeon 0.1.0 by the time of its lock', async () => {
    const lock = await newPath();
    const held = await claim(lock);
    onTestFinished(() => held.release());
    // It reads a number, finds none, and respects what was changed less than ten seconds ago.
    expect(Number(await readFile(lock, 'utf8'))).toBeNaN();
  });
});
