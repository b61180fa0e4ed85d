// The report in a real browser: the charts have the run's points, everything can be switched, and nothing is fetched.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unitsOfStep } from '../../lib/report/units-of-step.ts';
import { writeReport } from '../../lib/report/write-report.ts';
import type { MetricsLine } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { chartData, chromiumPath, eventually, launchBrowser, watchedPage } from '../helpers/browser.ts';
import { startLine, stepLine, textOf, validationLine } from './metrics-lines.ts';

const lossAt = (step: number) => 1 + 3 / step;

const lines: MetricsLine[] = [
  startLine(),
  validationLine(0, 4.1),
  ...Array.from({ length: 30 }, (_, i) => stepLine(i + 1, lossAt(i + 1))),
  validationLine(30, 1.2),
  { kind: 'sample', step: 15, text: 'an earlier sample' },
  { kind: 'sample', step: 30, text: '</script><img src=x onerror=alert(1)>' },
  { kind: 'warning', step: 7, text: 'a <b>warning</b>' },
  { kind: 'change', step: 9, key: 'optimizer.schedule', from: 'cosine', to: '<i>wsd</i>' },
];

async function runDirectory(name: string, content = lines): Promise<string> {
  const directory = path.join(await temporaryDirectory(), name);
  await mkdir(directory);
  await writeFile(path.join(directory, 'metrics.jsonl'), textOf(content));
  return directory;
}

async function reportOf(...directories: string[]): Promise<string> {
  const file = path.join(await temporaryDirectory(), 'report.html');
  await writeReport(directories, file);
  return file;
}

test('one file, below a megabyte with a small run, that names no other', async () => {
  const text = await readFile(await reportOf(await runDirectory('run')), 'utf8');
  expect(text.length).toBeLessThan(1 << 20);
  expect(text).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/);
  expect(text.match(/<\/script>/g)).toHaveLength(2);
});

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  async function open(file: string, options?: Parameters<typeof watchedPage>[1]) {
    const watched = await watchedPage(browser, options);
    await watched.page.goto(pathToFileURL(file).href);
    await watched.page.waitForSelector('#loss canvas');
    return watched;
  }

  test('draws the points of the run, over every axis', async () => {
    const { page, requests, expectNoErrors } = await open(await reportOf(await runDirectory('run')));
    await page.getByRole('slider', { name: 'smoothing' }).fill('0');
    const steps = Array.from({ length: 31 }, (_, step) => step);
    const [x, training, heldOut] = await chartData(page, 'loss');
    expect(x).toEqual(steps);
    expect(training!.slice(1)).toEqual(steps.slice(1).map((step) => Number(lossAt(step).toPrecision(7))));
    expect([heldOut!.at(0), heldOut!.at(-1)]).toEqual([4.1, 1.2]);

    for (const [label, factor] of [
      ['tokens', 128],
      ['FLOPs', 1e6],
      ['seconds', 0.01],
    ] as const) {
      await page.getByRole('radio', { name: label }).check({ force: true });
      for (const chart of ['loss', 'gradient-norm']) {
        expect((await chartData(page, chart))[0]!.at(-1)).toBeCloseTo(30 * factor, 6);
      }
    }
    await page.getByRole('radio', { name: 'log' }).check({ force: true });
    expect(page.url()).toMatch(/#x=trainSeconds&y=log&smoothing=0$/);
    await page.reload();
    await page.waitForSelector('#loss canvas');
    expect((await chartData(page, 'loss'))[0]!.at(-1)).toBeCloseTo(0.3, 6);
    expect(await page.getByRole('radio', { name: 'log' }).isChecked()).toBe(true);

    expect(requests.every((url) => url.startsWith('file:') || url.startsWith('data:'))).toBe(true);
    expectNoErrors();
  });

  test('works from the keyboard', async () => {
    const { page, expectNoErrors } = await open(await reportOf(await runDirectory('run')));
    await page.getByRole('radio', { name: 'steps' }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('radio', { name: 'tokens' }).isChecked()).toBe(true);
    await page.locator('#loss .plot').focus();
    await page.keyboard.press('ArrowLeft');
    await eventually(() => page.locator('#loss .readout').textContent()).toContain('tokens 3.71 k');
    expectNoErrors();
  });

  test('shows which units any step trained, the stages, texts as texts, warnings and changes', async () => {
    const { page, expectNoErrors } = await open(await reportOf(await runDirectory('run')));
    const slider = page.getByRole('slider', { name: 'step whose subnetworks are shown' });
    expect(await slider.inputValue()).toBe('14'); // the last that left something out
    await slider.fill('3');
    const shares = await page
      .locator('#subnetwork .units')
      .first()
      .locator('.heads i')
      .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('style')!.replace('--share: ', ''))));
    expect(shares).toEqual(unitsOfStep(startLine(), 3).heads.flat());
    expect(shares).toContain(0);
    const rows = await page.locator('#stages tbody tr').allTextContents();
    expect(rows).toHaveLength(3);
    expect(rows[0]).toContain('25.0 %');
    expect(await page.locator('#samples pre').allTextContents()).toEqual([
      '</script><img src=x onerror=alert(1)>',
      'an earlier sample',
    ]);
    expect(await page.locator('#warnings').textContent()).toContain('a <b>warning</b>');
    expect(await page.locator('#changes').textContent()).toContain(
      'after step 9: optimizer.schedule changed from "cosine" to "<i>wsd</i>"',
    );
    expect(await page.locator('#settings').textContent()).toMatch(/a processor, 2 cores.*commit abc1234/);
    expectNoErrors();
  });

  test('several runs overlay, and are compared', async () => {
    const dense = await runDirectory('dense', [startLine({ est: { schedule: 'dense' } }), ...lines.slice(1)]);
    const { page, expectNoErrors } = await open(await reportOf(dense, await runDirectory('est')));
    expect(await page.locator('#loss .readout .key').allTextContents()).toEqual([
      'dense training',
      'dense held-out',
      'est training',
      'est held-out',
    ]);
    expect(await page.locator('#comparison .headline').textContent()).toMatch(
      /^est needed 100\.0 % of its executed FLOPs/,
    );
    await page.locator('select[name=run]').selectOption('est');
    await eventually(() => page.locator('#stages tbody tr').count()).toBe(3);
    expectNoErrors();
  });

  test('narrow and wide, light and dark', async () => {
    const { page, expectNoErrors } = await open(await reportOf(await runDirectory('run')), { width: 400 });
    const strokes = new Set<string>();
    for (const [colorScheme, paper] of [
      ['light', 'rgb(252, 252, 250)'],
      ['dark', 'rgb(20, 23, 26)'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [400, 1600]) {
        await page.setViewportSize({ width, height: 900 });
        await eventually(() => page.evaluate("document.querySelector('#loss canvas').clientWidth")).toBeGreaterThan(
          0.8 * width,
        );
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      }
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(paper);
      strokes.add(await page.evaluate("document.getElementById('loss').uplot.series[1].stroke()"));
    }
    expect(strokes.size).toBe(2);
    expectNoErrors();
  });
});
