// The page of a benchmark: its data from made-up timings, and the page itself in a real browser.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { opsPage, type PageHead } from '../../lib/bench/bench-page.ts';
import type { Machine } from '../../lib/bench/machine.ts';
import { describeCase } from '../../lib/bench/op-bench.ts';
import { opCases, opModels } from '../../lib/bench/op-shapes.ts';
import { disturbedStages } from '../../lib/bench/profile-page.ts';
import { writeBenchPage } from '../../lib/bench/write-page.ts';
import { chromiumPath, launchBrowser, watchedPage } from '../helpers/browser.ts';

const host = { peakGflops: 100, peakBf16Gflops: 200, copyGBs: 10, processorShare: 1, threads: 2 } as Machine;
const head: PageHead = {
  command: 'burgeon bench ops',
  written: '2025-01-02T03:04:05Z',
  machine: [['processor', 'a </script> one']],
  warnings: [],
  host,
};

/** Every op takes 2 ms at rate 1 and does 1e8 FLOPs where it is counted; cold it takes twice as long. */
function madeUp(cold: boolean) {
  return opCases(opModels.small).flatMap((each) =>
    describeCase(
      each,
      each.variants.map(({ rate }) => {
        const ms = (cold ? 4 : 2) * rate;
        const flops = /expand|contract|attention|mlp|gradient/.test(each.op) ? 1e8 * rate : 0;
        return {
          ms: [ms, ms, ms, ms * 1.01],
          copyMs: [ms, ms, ms, ms],
          n: 1,
          flops,
          bytes: 1e6 * (1 + each.op.length) * rate,
          error: 0,
        };
      }),
      { model: 'small', precision: 'float32', device: 'cpu', threads: 2, cold, machine: host },
    ),
  );
}

const data = opsPage([...madeUp(false), ...madeUp(true)], { model: 'small', precision: 'float32', rounds: 4 }, head);
const ops = opCases(opModels.small);
const variants = ops.reduce((sum, each) => sum + each.variants.length, 0);

describe('data', () => {
  test('every op is a dot, warm and cold, at each rate, and a sentence', () => {
    expect(data.dots).toHaveLength(2 * variants);
    expect(data.sentences).toHaveLength(ops.length);
    expect(data.noise.verdict).toBe('quiet');
    expect(data.dots.find(({ name, isNamed }) => name === 'expand' && isNamed)).toMatchObject({
      series: 0,
      intensity: expect.closeTo(1e8 / 7e6),
      speed: expect.closeTo(5e10),
      text: 'expand, caches warm, rate 1: 2.00 ms, 50.0 GFLOP/s, 50 % of its roof, bound by arithmetic',
    });
    expect(data.sentences[2]).toBe(
      'expand is bound by arithmetic: 50 % of the peak of products, so that only fewer FLOPs make it faster; with cold caches it takes 2.0 times as long.',
    );
  });

  test('tables have what binds each op second, and rates folded', () => {
    expect(data.tables.map(({ title, isFolded }) => [title, isFolded])).toEqual([
      ['What each op is bound by', undefined],
      ['What leaving units out saves', true],
    ]);
    expect(data.tables[0]!.head.slice(0, 2)).toEqual(['op', 'bound by']);
    expect(data.tables[0]!.rows).toHaveLength(2 * ops.length);
  });
});

test('a profile names the stages that were disturbed', () => {
  const stage = (name: string, times: number[], ms: number) =>
    ({ name, totals: { ms }, steps: times.map((each) => ({ ms: each })) }) as never;
  const quiet = stage('stage 1', [10, 10, 11, 11], 10);
  expect(disturbedStages([quiet])).toEqual([]);
  expect(disturbedStages([quiet, stage('stage 2', [10, 10, 30, 30], 10)])).toEqual([
    'some steps of stage 2 took up to 3.0 times as long as the faster half, which the tables are of: something else ran',
  ]);
});

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  let directory: string;
  let file: string;
  beforeAll(async () => {
    browser = await launchBrowser();
    directory = await mkdtemp(path.join(tmpdir(), 'burgeon-bench-'));
    file = path.join(directory, 'ops.html');
    await writeBenchPage(file, data);
  });
  afterAll(async () => {
    await browser.close();
    await rm(directory, { recursive: true });
  });

  async function open(options?: Parameters<typeof watchedPage>[1]) {
    const watched = await watchedPage(browser, options);
    await watched.page.goto(pathToFileURL(file).href);
    await watched.page.waitForSelector('#bandwidths svg');
    return watched;
  }

  test.each([400, 1100, 1600])('fits %i pixels, in light and dark, and asks for nothing', async (width) => {
    for (const dark of [false, true]) {
      const { page, requests, expectNoErrors } = await open({ width, dark });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(await page.locator('.dot circle').count()).toBe(2 * variants);
      const hidden = `[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length`;
      expect(width < 640 ? 0 : await page.evaluate(hidden)).toBe(0);
      const right = await page.locator('section.table td:nth-child(2)').first().boundingBox();
      expect(right!.x + right!.width).toBeLessThanOrEqual(width);
      expect(requests).toHaveLength(1);
      expectNoErrors();
    }
  });

  test('dots are read off by pointer and keyboard, and nothing moves', async () => {
    const { page } = await open();
    const readout = page.locator('#roofline .dot-readout');
    const place = () => page.locator('#bandwidths').boundingBox();
    const before = await place();
    await page.locator('#roofline .dot circle').last().hover();
    expect(await readout.textContent()).toMatch(
      /^\w+, caches (?:warm|cold), rate [\d.]+: .* of its roof, bound by \w+$/,
    );
    await page.locator('#roofline .plot').focus();
    await page.keyboard.press('ArrowRight');
    const first = await readout.textContent();
    await page.keyboard.press('ArrowRight');
    expect(await readout.textContent()).not.toBe(first);
    expect(await place()).toEqual(before);
  });

  test('the legend switches a series off in both charts, and on again', async () => {
    const { page } = await open();
    const dots = page.locator('.dot circle');
    const cold = page.getByRole('button', { name: 'caches cold' });
    await cold.click();
    expect(await dots.count()).toBe(variants);
    expect(await cold.getAttribute('aria-pressed')).toBe('false');
    await cold.click();
    expect(await dots.count()).toBe(2 * variants);
  });
});
