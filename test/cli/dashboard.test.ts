// burgeon train --dashboard in a real browser: the page shows the run, its buttons do what they say, and neither a reload nor
// a restart of the run loses anything. Without a browser: who may ask, and what is refused.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mostStreams } from '../../lib/report/live-streams.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { chartData, chromiumPath, eventually, launchBrowser, watchedPage } from '../helpers/browser.ts';
import { main } from '../helpers/cli.ts';
import { liveAddress, press, type StalledClient, stalledClients } from '../helpers/live.ts';
import { useWorkspace, type Workspace } from './workspace.ts';

interface Training {
  url: string;
  child: ChildProcess;
  /** Resolves to the exit code. */
  ended: Promise<number | null>;
  stderr(): string;
}

/** More steps than a test waits for: it ends by the button, or with the test. */
const long = { steps: 1_000_000, evaluation: { every: 500, windows: 8 }, sample: { every: 1000, length: 10 } };

async function startTraining(workspace: Workspace, ...flags: string[]): Promise<Training> {
  const child = spawn(process.execPath, [main, 'train', 'train.yaml', '--quiet', ...flags], {
    cwd: workspace.path(),
    env: { ...process.env, BURGEON_THREADS: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  const url = new Promise<string>((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      const found = /^live page: (http:\S+)\n/m.exec(text);
      if (found) resolve(found[1]!);
    });
    child.on('close', () => reject(new Error(`ended without a page:\n${text}`)));
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { url: await url, child, ended, stderr: () => text };
}

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  test('asks for the token where it is missing or wrong, and takes it', async () => {
    const workspace = await useWorkspace({ ...long, batchSize: 64 });
    const { url } = await startTraining(workspace, '--dashboard', '0');
    const { at, token } = liveAddress(url);
    const { page } = await watchedPage(browser);
    const heading = () => page.locator('#locked h2').textContent();
    await page.goto(at('/'));
    await eventually(heading).toBe('This page needs its token');
    // Typed, or pasted over the address of this page, which loads nothing by itself.
    await page.getByLabel('token', { exact: true }).fill('wrong');
    await page.getByRole('button', { name: 'Open' }).click();
    await eventually(heading).toBe('This is not the token of this run');
    await page.goto(at(`/#x=tokens&token=${token}`));
    await eventually(() => page.locator('#live [role=status]').first().textContent()).toBe('running');
    expect(page.url()).toBe(at('/#x=tokens'));
    expect(await page.getByRole('radio', { name: 'tokens' }).isChecked()).toBe(true);
    // Another page, when there is no room for one more.
    await page.goto('about:blank');
    const clients: StalledClient[] = [];
    onTestFinished(() => clients.forEach(({ socket }) => void socket.destroy()));
    await eventually(async () => {
      clients.push(...(await stalledClients(url, mostStreams)));
      return clients.filter(({ status }) => status === 200).length;
    }).toBe(mostStreams);
    await page.goto(url);
    await eventually(() => page.locator('#live [role=status]').first().textContent()).toMatch(
      /^the page is open 32 times already, and no more are served/,
    );
  });

  test('shows the run, pauses, saves, survives a reload, stops and comes back', async () => {
    // Slow steps, so that the page has not yet begun to leave points out when the test looks, however busy the machine.
    const workspace = await useWorkspace({ ...long, batchSize: 64 });
    const first = await startTraining(workspace, '--dashboard', '0');
    const { page, requests, expectNoErrors } = await watchedPage(browser);
    const step = async () =>
      Number(/step (\d+) of/.exec((await page.locator('#live .facts').textContent()) ?? '')?.[1]);
    await page.goto(first.url);
    await eventually(step).toBeGreaterThan(20);
    // The token is in the tab's memory, not in its address.
    expect(page.url()).toBe(new URL('/', first.url).href);
    await eventually(() => page.locator('#live .facts').textContent()).toMatch(/left .*loss \d.*tokens\/s .*MFU /);

    await page.getByRole('button', { name: 'Pause' }).click();
    await eventually(() => page.locator('#live [role=status]').first().textContent()).toBe('paused');
    const paused = await step();
    // The points are those of the metrics file, each once.
    const stepLines = async () =>
      (await readMetrics(workspace.path('run', 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
    await eventually(async () => (await stepLines()).at(-1)!.step).toBe(paused);
    const lines = await stepLines();
    await page.getByRole('slider', { name: 'smoothing' }).fill('0');
    const points = async () => {
      const [x, loss] = await chartData(page, 'loss');
      return x!.flatMap((at, i) => (loss![i] === null || loss![i] === undefined ? [] : [at]));
    };
    await eventually(points).toEqual(lines.map((line) => line.step));

    await page.getByRole('button', { name: 'Checkpoint now' }).click();
    await eventually(() => page.locator('#live').textContent()).toMatch(/wrote .*run.checkpoint-/);
    expect(await readdir(workspace.path('run'))).toContain(`checkpoint-${String(paused).padStart(8, '0')}`);

    await page.reload();
    await eventually(points).toEqual(lines.map((line) => line.step));
    expect(await step()).toBe(paused);

    await page.getByRole('button', { name: 'Go on' }).click();
    await eventually(step).toBeGreaterThan(paused);
    await page.getByRole('button', { name: 'Stop' }).click();
    expect(await first.ended).toBe(130);
    await eventually(() => page.locator('#live [role=status]').first().textContent()).toMatch(/^stopped/);
    expect(await readdir(workspace.path('run'))).toContain('report.html');

    const { port, origin } = new URL(first.url);
    expect(requests.every((url) => url.startsWith(origin) || url.startsWith('data:'))).toBe(true);
    expectNoErrors();

    // The same address again, for the run that goes on: its history is there.
    const second = await startTraining(workspace, '--resume', '--dashboard', port);
    expect(second.url).toBe(first.url);
    await page.reload();
    await eventually(step).toBeGreaterThan(paused + 1);
    expect((await points()).slice(0, paused)).toEqual(lines.map((line) => line.step));
    expect((await press(second.url, 'stop')).status).toBe(200);
    expect(await second.ended).toBe(130);
  });
});

test('the run is shown to those who have the token, and the token stays', async () => {
  const workspace = await useWorkspace(long);
  const { url, ended } = await startTraining(workspace, '--dashboard', '0');
  const { at, token } = liveAddress(url);
  expect(new URL(url).hostname).toBe('127.0.0.1');
  expect(token).toMatch(/^[\w-]{32}$/);
  expect((await fetch(at('/stop'), { method: 'POST' })).status).toBe(401);
  expect((await fetch(at('/events'))).status).toBe(401);
  expect(await (await press(url, 'stop')).text()).toContain('stopping after this step');
  expect(await ended).toBe(130);
  const elsewhere = await startTraining(workspace, '--resume', '--dashboard', '0', '--host', '0.0.0.0');
  expect(liveAddress(elsewhere.url).token).toBe(token);
});

test('SIGTERM ends a run with its checkpoint, however many connections do not read', async () => {
  const workspace = await useWorkspace(long);
  const { url, child, ended } = await startTraining(workspace, '--dashboard', '0');
  const clients = await stalledClients(url, 800);
  onTestFinished(() => clients.forEach(({ socket }) => void socket.destroy()));
  const count = (status: number) => clients.filter((client) => client.status === status).length;
  expect(count(200)).toBe(mostStreams);
  expect(count(503)).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await ended).toBe(143);
  expect((await readdir(workspace.path('run'))).some((name) => name.startsWith('checkpoint-'))).toBe(true);
});

describe('refused with one message', () => {
  test('a port that is in use, before anything is touched', async () => {
    const { burgeon, path } = await useWorkspace();
    const server = http.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await burgeon(['train', 'train.yaml', '--dashboard', String(port)]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `burgeon: --dashboard: port ${port} of 127.0.0.1 is in use; choose another, or 0 for any that is free\n`,
    });
    expect(await readdir(path())).not.toContain('run');
  });

  test.each([
    ['--dashboard 70000', "argument '70000' is invalid. Expected an integer from 0 to 65535."],
    ['--host 0.0.0.0', '--host needs --dashboard'],
    ['--dashboard 0 --host 203.0.113.7', '--host: expected an address of this machine, received 203.0.113.7; '],
  ])('%s', async (flags, message) => {
    const { burgeon } = await useWorkspace();
    const { code, stderr } = await burgeon(['train', 'train.yaml', ...flags.split(' ')]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThan(4);
  });
});
