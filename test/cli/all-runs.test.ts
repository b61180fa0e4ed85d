// burgeon dashboard, as a user has it: started beside runs that are trained meanwhile, in a browser, and ended by Ctrl-C.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { MetricsLine } from '../../lib/train/metrics.ts';
import { chartData, chromiumPath, eventually, launchBrowser, watchedPage } from '../helpers/browser.ts';
import { main } from '../helpers/cli.ts';
import { endLine, linesOfRun, testRun } from '../report/dashboard-runs.ts';
import { useWorkspace, type Workspace } from './workspace.ts';

/** Starts the command. @returns what it printed, once that ends with a line of this kind. */
async function started(workspace: Workspace, args: readonly string[], last: RegExp) {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: workspace.path(),
    env: { ...process.env, BURGEON_THREADS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const text = await new Promise<string>((resolve, reject) => {
    let printed = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        printed += piece;
        if (last.test(printed)) resolve(printed);
      });
    }
    child.on('close', () => reject(new Error(`ended early:\n${printed}`)));
  });
  return { child, ended, text };
}

async function dashboard(
  workspace: Workspace,
  ...args: string[]
): Promise<{ url: string; child: ChildProcess; ended: Promise<number | null>; text: string }> {
  const command = await started(workspace, ['dashboard', ...args, '--port', '0'], /Ctrl-C ends it.*\n/);
  return { ...command, url: /http:\S+/.exec(command.text)![0] };
}

/** A run that trains until the test ends, or it is stopped. */
const train = (workspace: Workspace, output: string) =>
  started(
    workspace,
    ['train', 'train.yaml', '--json', '--set', 'steps=1000000', '--set', 'batchSize=64', '--set', `output=${output}`],
    /"step":5,/,
  );

test.each(['SIGINT', 'SIGTERM'] as const)('%s is how it ends', async (signal) => {
  const workspace = await useWorkspace();
  await mkdir(workspace.path('runs'));
  const { text, child, ended } = await dashboard(workspace);
  expect(text).toMatch(
    /^dashboard of runs: http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}\nCtrl-C ends it; the runs go on\n$/,
  );
  child.kill(signal);
  expect(await ended).toBe(0);
});

describe('refused with one message', () => {
  test.each([
    [[], 'runs: expected a directory with runs, found nothing there; `burgeon train` makes one in its output'],
    [['text.txt'], 'text.txt: expected a directory with runs, found a file; '],
    [['data', '--port', '70000'], "argument '70000' is invalid. Expected an integer from 0 to 65535."],
    [['data', '--prot', '1'], '(Did you mean --port?)'],
    [
      ['data', '--port', '0', '--host', '203.0.113.7'],
      '--host: expected an address of this machine, received 203.0.113.7; ',
    ],
    [['data', 'more'], "too many arguments for 'dashboard'. Expected 1 argument but got 2"],
  ])('%j', async (args, message) => {
    const { burgeon } = await useWorkspace();
    const { code, stdout, stderr } = await burgeon(['dashboard', ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThan(4);
  });

  test('a port that is in use', async () => {
    const { burgeon } = await useWorkspace();
    const server = http.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    expect(await burgeon(['dashboard', 'data', '--port', String(port)])).toMatchObject({
      code: 1,
      stderr: `burgeon: --port: port ${port} of 127.0.0.1 is in use; choose another, or 0 for any that is free\n`,
    });
  });
});

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  const rows = (page: Page) => page.locator('.runs tbody tr').allTextContents();

  test('shows a run while it trains and when it is over, and comes back to it', { timeout: 120_000 }, async () => {
    const workspace = await useWorkspace();
    await mkdir(workspace.path('runs'));
    const { url, ended, child } = await dashboard(workspace, 'runs');
    const { page, requests, expectNoErrors } = await watchedPage(browser);
    await page.goto(url);
    await eventually(() => page.locator('header .note').textContent()).toMatch(/^no runs yet: /);
    const first = await train(workspace, 'runs/first');
    await eventually(() => rows(page)).toEqual([expect.stringMatching(/^first ?running.* of 1\.00 M/)]);
    expect(page.url()).toBe(new URL('/', url).href);

    await page.getByRole('link', { name: 'first' }).click();
    const state = () => page.locator('#live [role=status]').first().textContent();
    const step = async () =>
      Number(/step (\d+) of/.exec((await page.locator('#live .facts').textContent()) ?? '')?.[1]);
    await eventually(state).toBe('running');
    const before = await step();
    await eventually(step).toBeGreaterThan(before);
    expect(await page.locator('#live button').count()).toBe(0);
    await eventually(() => page.locator('#live .facts').textContent()).toMatch(/left \d/);

    first.child.kill('SIGINT');
    expect(await first.ended).toBe(130);
    await eventually(state).toBe('stopped');
    const known = await step();
    await page.reload();
    await eventually(state).toBe('stopped');
    expect(await step()).toBe(known);
    expect((await chartData(page, 'loss'))[0]!.at(-1)).toBe(known);

    await page.getByRole('link', { name: 'all runs' }).click();
    await eventually(() => rows(page)).toEqual([expect.stringMatching(/^first ?stopped/)]);
    expectNoErrors();
    // Pages say that the dashboard is gone, and it was not the run's.
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    await eventually(() => page.locator('main > .note').textContent()).toBe('connection lost, trying again');
    const { origin } = new URL(url);
    expect(requests.every((address) => address.startsWith(origin) || address.startsWith('data:'))).toBe(true);
  });

  /** Runs in all states, some in a sweep. */
  async function manyRuns() {
    const workspace = await useWorkspace();
    const root = workspace.path('runs');
    await testRun(root, 'complete', linesOfRun(30));
    const reason = { kind: 'warning', step: 3, text: 'loss: expected a finite number, computed nan' } as const;
    await testRun(root, 'broken', [...linesOfRun(30, 3), reason, endLine(3, 'failed')]);
    for (const seed of [1, 2]) await testRun(root, `sweep/low/seed ${seed}`, linesOfRun(30));
    await (await testRun(root, 'going', linesOfRun(30, 9))).hold();
    const { url } = await dashboard(workspace);
    return { root, url };
  }

  test('lists runs by directory: what goes on, what failed and why, and the rest', async () => {
    const { url } = await manyRuns();
    const { page, expectNoErrors } = await watchedPage(browser);
    await page.goto(url);
    await eventually(() => page.locator('header .note').textContent()).toBe('5 runs: 1 running, 3 complete, 1 failed');
    expect(await page.locator('.runs h2').allTextContents()).toEqual(['sweep/low']);
    const names = await page.locator('.runs').first().getByRole('link').allTextContents();
    expect(names).toEqual(['going', 'broken', 'complete']);
    const broken = page.getByRole('row').filter({ hasText: 'broken' });
    expect(await broken.textContent()).toMatch(/^brokenloss: expected a finite number, computed nanfailed3 of 30/);
    const color = (selector: string) => page.evaluate(`getComputedStyle(document.querySelector('${selector}')).color`);
    expect(await color('.reason.failed')).not.toBe(await color('body'));
    expect(await page.getByRole('progressbar').count()).toBe(1);

    // In the tab of the list, and in a tab of its own, which has the token from it.
    await page.getByRole('link', { name: 'seed 1' }).click();
    await eventually(() => page.locator('h1').textContent()).toBe('seed 1');
    expect(await page.locator('nav').textContent()).toBe('all runs / sweep/low');
    await page.goBack();
    const [tab] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: 'broken' }).click({ modifiers: ['ControlOrMeta'] }),
    ]);
    await eventually(() => tab.getByRole('alert').textContent()).toMatch(
      /^Failed after step 3: loss: expected a finite/,
    );
    expect(tab.url()).toBe(new URL('/run/broken', url).href);
    expectNoErrors();
  });

  test('chosen runs are compared with the first of them, and stay chosen', async () => {
    const { root, url } = await manyRuns();
    const { page, expectNoErrors } = await watchedPage(browser);
    await page.goto(url);
    const box = (name: string) => page.getByRole('checkbox', { name: `compare ${name}` });
    const chosen = () => page.locator('#chosen').textContent();
    await box('sweep/low/seed 2').check();
    await eventually(chosen).toBe('sweep/low/seed 2: choose others to compare with itClear');
    await box('complete').check();
    await eventually(chosen).toBe('Compare 2 runscomplete against sweep/low/seed 2Clear');
    // What is chosen, and the focus, stay when the list is drawn anew.
    await box('complete').focus();
    await testRun(root, 'new', linesOfRun(30));
    await eventually(() => page.locator('header .note').textContent()).toMatch(/^6 runs/);
    expect(await page.evaluate('document.activeElement.id')).toBe('choose complete');
    await page.getByRole('link', { name: 'Compare 2 runs' }).click();
    await eventually(() => page.locator('h1').textContent()).toBe('2 runs');
    expect(await page.locator('#runs tbody th').allTextContents()).toEqual(['seed 2', 'complete']);
    expect((await chartData(page, 'loss'))[0]!.at(-1)).toBe(30);
    await page.goBack();
    await eventually(chosen).toContain('Compare 2 runs');
    await page.getByRole('button', { name: 'Clear' }).click();
    expect(await page.getByRole('checkbox', { checked: true }).count()).toBe(0);
    expect(await chosen()).toMatch(/^Choose runs to compare/);
    expectNoErrors();
  });

  test('tells what is not there, and asks for its token', async () => {
    const { url } = await manyRuns();
    const { page } = await watchedPage(browser);
    await page.goto(new URL('/run/none', url).href);
    await eventually(() => page.locator('#locked').textContent()).toContain('burgeon dashboard printed');
    await page.goto(url);
    await eventually(() => page.locator('h1').textContent()).toBe('runs');
    await page.goto(new URL('/run/none', url).href);
    await eventually(() => page.locator('#live').textContent()).toBe('there is no run none in runs');
    expect(await page.locator('#loss').isVisible()).toBe(false);
    await page.goto(new URL('/compare/complete&none', url).href);
    await eventually(() => page.locator('main').textContent()).toBe('all runsthere is no run none in runs');
  });

  test('a hundred runs, narrow and wide', async () => {
    const { root, url } = await manyRuns();
    await Promise.all(Array.from({ length: 100 }, (_, i) => testRun(root, `more/run${i}`, linesOfRun(50))));
    await writeFile(`${root}/notes.txt`, '');
    // The longest text of a cell: what was saved so far, and what is planned.
    const shares = { layers: [1, 1], heads: [[1], [1]], neurons: [1, 1] };
    const sums = { steps: 9, ms: 90, blockFlops: 1e5, denseBlockFlops: 1e6, denseSteps: 0, denseMs: 0 };
    const stages = [{ stage: 1, ...sums, allFlops: 2.67e5, denseAllFlops: 1e6 }];
    const totals: MetricsLine = { kind: 'totals', step: 9, stages, units: { step: shares, run: shares } };
    await (await testRun(root, 'early', [...linesOfRun(30, 9), totals])).hold();
    const { page, expectNoErrors } = await watchedPage(browser, { width: 400 });
    await page.goto(url);
    await eventually(() => page.getByRole('link').count()).toBe(106);
    await eventually(() => page.locator('.runs').first().textContent()).toMatch(/73\.3 % so far, ?\d\d\.\d % planned/);
    for (const width of [400, 1100, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const outside = await page.evaluate(`[...document.querySelectorAll('.runs td > *')]
        .filter((content) => content.scrollWidth > content.parentElement.clientWidth + 1).map(({ textContent }) => textContent)`);
      expect(outside).toEqual([]);
      const cut = await page.evaluate(`[...document.querySelectorAll('.runs .whole')].filter((text) =>
        text.getBoundingClientRect().right > text.closest('td').getBoundingClientRect().right + 1).length`);
      expect(cut).toBe(0);
    }
    expectNoErrors();
  });
});
