// Real processes: what ranks are told and say, the status that comes of theirs, signals, and that nothing outlives the launcher.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { isRunning } from '../../lib/files/process-identity.ts';

const launcherFile = path.join(import.meta.dirname, 'launcher.mjs');
const rankFile = path.join(import.meta.dirname, 'fake-rank.mjs');
const long = 60_000;

interface Launched {
  child: ChildProcess;
  /** What it has said so far. */
  said: { stdout: string; stderr: string };
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
  /** Until a text has come so many times. */
  hear(text: RegExp, times?: number): Promise<void>;
  /** Ids of the processes that said where they are. */
  ranks(): number[];
}

/** What a test that failed may have left. */
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
});

/** Starts one rank for each of the actions of fake-rank.mjs. */
function launch(actions: readonly string[], { graceMs = long, env = {} as Record<string, string> } = {}): Launched {
  const args = [launcherFile, graceMs, actions.length, rankFile, ...actions].map(String);
  // A process group of its own, as a shell would give it.
  const options = { detached: true, env: { ...process.env, ...env } };
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const all = () => said.stdout + said.stderr;
  return {
    child,
    said,
    ended: new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...said }))),
    async hear(text, times = 1) {
      const pattern = new RegExp(text.source, 'g');
      while ((all().match(pattern) ?? []).length < times) await sleep(10);
    },
    ranks: () => [...all().matchAll(/here (\d+)/g)].map(([, pid]) => Number(pid)),
  };
}

async function untilGone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) while (await isRunning(pid)) await sleep(10);
}

describe.concurrent('what ranks are told and say', () => {
  test('the variables of torchrun, a free port, a share of the cores', async () => {
    const { code, stdout, stderr } = await launch(['tell', 'tell'], { env: { BURGEON_THREADS: '' } }).ended;
    expect(code).toBe(0);
    const first = JSON.parse(stdout);
    const second = JSON.parse(stderr.replace(/^\[rank 1\] /, ''));
    expect(first).toEqual({
      ...{ RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1' },
      ...{ MASTER_PORT: expect.stringMatching(/^\d{4,5}$/), BURGEON_LAUNCHER: 'burgeon' },
      BURGEON_THREADS: expect.stringMatching(/^[1-9]\d*$/),
    });
    expect(second).toEqual({ ...first, RANK: '1', LOCAL_RANK: '1' });
  });

  test('threads that were chosen stay', async () => {
    const { stdout } = await launch(['tell', 'finish'], { env: { BURGEON_THREADS: '7' } }).ended;
    expect(JSON.parse(stdout)).toMatchObject({ BURGEON_THREADS: '7' });
  });

  test('rank 0 says it as it is', async () => {
    const { code, stdout, stderr } = await launch(['talk', 'finish']).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'out 1\nout 2', stderr: 'err é\nerr 2' });
  });

  test('the others by whole lines with their tags', async () => {
    const { code, stdout, stderr } = await launch(['finish', 'talk', 'talk', 'finish']).ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const lines = ['err 2', 'err é', 'out 1', 'out 2'];
    const expected = [1, 2].flatMap((rank) => lines.map((line) => `[rank ${rank}] ${line}`));
    expect(stderr.trimEnd().split('\n').sort()).toEqual(expected);
  });

  test.skipIf(!existsSync('/usr/bin/script'))('rank 0 has the terminal of the launcher', async () => {
    const command = [process.execPath, launcherFile, long, 2, rankFile, 'terminal', 'terminal'].join(' ');
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(text).toContain('terminals: true true');
    // The line of rank 0's progress is cleared for it.
    expect(text).toContain('\r\x1b[2K[rank 1] terminals: false false');
  });
});

describe.concurrent('the exit status', () => {
  test('is 0 where all have done their work', async () => {
    const { code, stderr } = await launch(['finish', 'finish', 'finish', 'finish']).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test.each([
    [['failLater', 'fail'], 3, 'rank 1 ended with exit status 3; the others get 1:00 to end\n'],
    [['fail', 'failLater'], 3, 'rank 0 ended with exit status 3; the others get 1:00 to end\n'],
    [['failLater', 'die'], 137, 'rank 1 was ended by SIGKILL; the others get 1:00 to end\n'],
    [['die', 'finish', 'failLater', 'finish'], 137, 'rank 0 was ended by SIGKILL; the others get 1:00 to end\n'],
  ])('of %j is that of the first to fail', async (actions, status, words) => {
    const launched = launch(actions);
    await launched.hear(/here/);
    await launched.hear(/the others get/);
    process.kill(launched.ranks()[0]!, 'SIGUSR2');
    const { code, stderr } = await launched.ended;
    expect(code).toBe(status);
    expect(stderr).toContain(words);
  });

  test('of a program that is not there is 1', async () => {
    const args = [launcherFile, String(long), '2', path.join(import.meta.dirname, 'none.mjs')];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1);
  });
});

describe.concurrent('those that do not end by themselves are killed', () => {
  test.each([
    [['ignore', 'die'], 137, /rank 1 was ended by SIGKILL; .*\nkilling rank 0, 0.3 s later\n$/],
    [['ignore', 'ignore', 'fail', 'ignore'], 3, /\nkilling rank 0, rank 1, rank 3, 0.3 s later\n$/],
    [['finish', 'ignore'], 137, /^(?:\[rank 1\].*\n)?killing rank 1, 0.3 s later\n$/],
  ])('%j', async (actions, status, words) => {
    const launched = launch(actions, { graceMs: 300 });
    const { code, stderr } = await launched.ended;
    expect(code).toBe(status);
    expect(stderr).toMatch(words);
    await untilGone(launched.ranks());
  });

  test('not after one that was asked to stop and did so', async () => {
    const launched = launch(['ignore', 'stop'], { graceMs: 100 });
    await launched.hear(/here/, 2);
    launched.child.kill('SIGINT');
    await launched.hear(/stopped by/);
    await sleep(500);
    expect(await isRunning(launched.ranks()[0]!)).toBe(true);
    expect(launched.said.stderr).not.toContain('killing');
    launched.child.kill('SIGINT');
    await launched.ended;
  });
});

describe.concurrent('restarts', () => {
  const lines = ({ stderr }: { stderr: string }) => stderr.split('\n').filter((line) => line.includes('again'));
  const again = (rank: number, restart: number, of: number) =>
    `rank ${rank} was lost: starting all 2 again from the newest checkpoint (restart ${restart} of ${of})`;
  test.each<[string, string[], string, string, number, string[]]>([
    ['a rank that is killed', ['failLater', 'die'], 'finish finish', '3', 0, [again(1, 1, 3)]],
    ['rank 0 killed', ['die', 'failLater'], 'finish finish', '1', 0, [again(0, 1, 1)]],
    ['one that does not end', ['fail', 'ignore'], 'finish finish', '1', 0, [again(1, 1, 1)]],
    ['so often and no more', ['die', 'finish'], 'die finish', '2', 137, [again(0, 1, 2), again(0, 2, 2)]],
    ['not after an error', ['fail', 'finish'], 'finish finish', '2', 3, []],
    ['not when the work is done', ['finish', 'ignore'], 'finish finish', '2', 137, []],
    ['not where it was not wanted', ['die', 'finish'], 'finish finish', '0', 137, []],
  ])('%s', async (_, actions, next, restarts, status, said) => {
    // Waited out only by a rank that does not end by itself.
    const graceMs = actions.includes('ignore') ? 300 : 30_000;
    const launched = launch(actions, { graceMs, env: { RESTARTS: restarts, AGAIN: next } });
    const ended = await launched.ended;
    expect(ended.code, ended.stderr).toBe(status);
    expect(lines(ended)).toEqual(said);
  });

  test('with fewer where the same rank is lost twice running', async () => {
    const env = { RESTARTS: '5', AT_LEAST: '2', AGAIN: 'die finish finish' };
    const ended = await launch(['die', 'finish', 'finish'], { env }).ended;
    expect(ended.code, ended.stderr).toBe(137);
    const expected = ['all 3', '2 of 3', 'all 2', 'all 2', 'all 2'].map((how, i) => {
      const words = how === '2 of 3' ? ' twice: starting 2 of 3' : `: starting ${how}`;
      return `rank 0 was lost${words} again from the newest checkpoint (restart ${i + 1} of 5)`;
    });
    expect(lines(ended)).toEqual(expected);
  });

  test('not after a stop', async () => {
    const launched = launch(['stop', 'ignore'], { graceMs: 300, env: { RESTARTS: '2', AGAIN: 'finish finish' } });
    await launched.hear(/here/, 2);
    launched.child.kill('SIGTERM');
    const ended = await launched.ended;
    expect(ended.code, ended.stderr).toBe(137);
    expect(lines(ended)).toEqual([]);
  });
});

describe.concurrent('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGUSR1'] as const)('%s to the whole process group comes once', async (name) => {
    const launched = launch(['stop', 'stop']);
    await launched.hear(/here/, 2);
    process.kill(-launched.child.pid!, name);
    const { code, stdout, stderr } = await launched.ended;
    expect(code).toBe(130);
    expect(stdout).toContain(`stopped by ${name}, of 1 in all`);
    expect(stderr).toContain(`[rank 1] stopped by ${name}, of 1 in all`);
  });

  test('SIGHUP means nothing without a terminal, as everywhere', async () => {
    const launched = launch(['stop', 'stop']);
    await launched.hear(/here/, 2);
    launched.child.kill('SIGHUP');
    launched.child.kill('SIGTERM');
    expect((await launched.ended).stdout).toContain('stopped by SIGTERM, of 1 in all');
  });

  test('a second one ends all at once', async () => {
    const launched = launch(['ignore', 'ignore']);
    await launched.hear(/here/, 2);
    launched.child.kill('SIGINT');
    await launched.hear(/ignored SIGINT/, 2);
    launched.child.kill('SIGINT');
    expect(await launched.ended).toMatchObject({ code: null, signal: 'SIGINT' });
    await untilGone(launched.ranks());
  });
});

describe.concurrent('kill -9 of the launcher leaves no rank behind', () => {
  test.each([
    ['that stop as they are asked', ['follow', 'follow', 'follow', 'follow']],
    ['that take too long', ['followLate', 'followLate']],
  ])('%s', async (_, actions) => {
    const launched = launch(actions);
    await launched.hear(/here/, actions.length);
    const ranks = launched.ranks();
    expect(ranks).toHaveLength(actions.length);
    launched.child.kill('SIGKILL');
    await untilGone(ranks);
  });
});
