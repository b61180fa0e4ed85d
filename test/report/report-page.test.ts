// The report in a real browser: the charts have the run's points, everything can be switched, and nothing is fetched.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unitsOfStep } from '../../lib/report/units-of-step.ts';
import { writeReport } from '../../lib/report/write-report.ts';
import type { EndLine, MetricsLine } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { chartData, chromiumPath, eventually, launchBrowser, watchedPage } from '../helpers/browser.ts';
import { dataDescription, startLine, stepLine, textOf, validationLine } from './metrics-lines.ts';

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
      ['block FLOPs', 8e5],
      ['all FLOPs', 1e6],
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
    await eventually(() => page.locator('#loss .place').textContent()).toBe('tokens 3.71 k');
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
    expect(await page.locator('#loss .readout .key .name').allTextContents()).toEqual([
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

  /** Complete runs: dense ones of two lengths and two seeds, and two seeds of another configuration. */
  async function sweepReport(): Promise<string> {
    const dense = { est: { schedule: 'dense' } };
    const runOfLoss = (steps: number, loss: number, config: object, flops = 8e5): MetricsLine[] => [
      startLine({ ...config, steps }),
      validationLine(0, 4.1),
      ...Array.from({ length: steps }, (_, i) =>
        stepLine(i + 1, 1 + 3 / (i + 1), { executedBlockFlops: flops * (i + 1) }),
      ),
      validationLine(steps, loss, { executedBlockFlops: flops * steps }),
    ];
    const directories = [];
    for (const seed of [1, 2]) {
      directories.push(
        await runDirectory(`long-${seed}`, runOfLoss(40, 2 + seed / 10, { ...dense, seed })),
        await runDirectory(`short-${seed}`, runOfLoss(20, 3 + seed / 10, { ...dense, seed })),
        await runDirectory(`est-${seed}`, runOfLoss(40, 2.5 + seed / 10, { seed }, 4e5)),
      );
    }
    return reportOf(...directories);
  }

  test('runs that differ by seed are one line of one colour, with a band', async () => {
    const { page, expectNoErrors } = await open(await sweepReport());
    const colors = await page
      .locator('#runs .key i')
      .evaluateAll((marks) => marks.map((mark) => mark.getAttribute('style')));
    expect(colors).toEqual([0, 1, 2, 0, 1, 2].map((color) => `--color: var(--run-${color})`));
    expect(await page.locator('#loss .readout .name').allTextContents()).toEqual(
      ['long-1', 'short-1', 'est-1'].flatMap((name) => [`${name} (2 seeds) training`, `${name} (2 seeds) held-out`]),
    );
    // Six lines, then upper and lower end of each band.
    const columns = await chartData(page, 'loss');
    expect(columns).toHaveLength(1 + 6 + 12);
    const lastOf = (column: number) => columns[column]!.findLast((value) => typeof value === 'number');
    expect([2, 4, 6].map(lastOf)).toEqual([2.15, 3.15, 2.65].map((mean) => expect.closeTo(mean, 9)));
    expect([9, 10].map(lastOf)).toEqual([2.2, 2.1].map((end) => expect.closeTo(end, 9)));
    expectNoErrors();
  });

  test('shows final losses over block FLOPs: the dense curve, and how far the others are from it', async () => {
    const { page, expectNoErrors } = await open(await sweepReport());
    const [x, curve, short, long, est] = await chartData(page, 'gain');
    // The other configuration takes as many block FLOPs as the short dense runs.
    expect(x).toEqual([1.6e7, 3.2e7]);
    expect(curve).toEqual([3.15, 2.15].map((loss) => expect.closeTo(loss, 9)));
    const pointOf = (column: (number | null)[]) => column.findLast((value) => typeof value === 'number');
    expect([short!, long!, est!].map(pointOf)).toEqual([3.15, 2.15, 2.65].map((loss) => expect.closeTo(loss, 9)));
    expect(await page.evaluate("document.getElementById('gain').uplot.scales.x.distr")).toBe(3);
    const [gain, dense] = await page.locator('#compute-gain tbody').allTextContents();
    expect(gain).toMatch(/^est-1, 40 steps2 ?1\.41 ± 0\.00/);
    expect(dense).toContain('short-1, 20 steps2');
    expect(await page.locator('#compute-gain li').allTextContents()).toEqual([
      'est-1 ends 0.5000 ± 0.1000 higher than long-1: beyond the spread of the seeds',
      'Control, dense at equal block FLOPs: short-1, 100.0 % of the block FLOPs of est-1, which ends 0.5000 ± 0.1000 lower',
    ]);
    await page.locator('#differences summary').click();
    expect(await page.locator('#differences dl').textContent()).toContain('est.schedule: dense -> est-gpt2');
    expectNoErrors();
  });

  test('legend entries switch lines, and neither they nor the cursor move anything', async () => {
    const { page, expectNoErrors } = await open(await sweepReport());
    const places = () =>
      page.evaluate(`JSON.stringify([...document.querySelectorAll('.chart .readout, .chart .key, .chart .plot, .chart .u-over')]
        .map((element) => { const { x, y, width, height } = element.getBoundingClientRect(); return [x, y + scrollY, width, height]; }))`);
    const scales = () =>
      page.evaluate(`JSON.stringify(['loss', 'gain', 'learning-rate'].map((id) => {
        const { x, y } = document.getElementById(id).uplot.scales; return [x.min, x.max, y.min, y.max]; }))`);
    const shown = (id: string) =>
      page.evaluate<boolean[]>(`document.getElementById('${id}').uplot.series.slice(1).map(({ show }) => show)`);
    const [before, ranges] = [await places(), await scales()];
    expect(JSON.parse(before as string).length).toBeGreaterThan(30);

    await page.locator('#loss').getByRole('button', { name: 'short-1 (2 seeds) held-out' }).click();
    expect(await shown('loss')).toEqual([
      ...[true, true, true, false, true, true],
      ...[true, true, true, true, true, true, false, false, true, true, true, true],
    ]);
    // One name, in all charts that have it.
    await page.locator('#gain').getByRole('button', { name: 'short-1 (2 seeds)' }).click();
    expect((await shown('gain')).slice(0, 4)).toEqual([true, false, true, true]);
    expect((await shown('learning-rate')).slice(0, 3)).toEqual([true, false, true]);
    const entry = page.locator('#learning-rate').getByRole('button', { name: 'short-1 (2 seeds)' });
    expect(await entry.getAttribute('aria-pressed')).toBe('false');
    await page.locator('#loss .u-over').hover();
    await eventually(() => page.locator('#loss .place').textContent()).toMatch(/^step \d/);
    expect([await places(), await scales()]).toEqual([before, ranges]);

    // It survives a reload, and is switched on again from the keyboard: one stop of the Tab key, then arrow keys.
    await page.reload();
    await page.waitForSelector('#loss canvas');
    expect((await shown('loss'))[3]).toBe(false);
    await page.locator('#loss .readout button').first().focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Space');
    expect((await shown('loss'))[3]).toBe(true);
    await page.keyboard.press('Tab');
    expect(await page.evaluate("document.activeElement === document.querySelector('#loss .plot')")).toBe(true);
    expectNoErrors();
  });

  test('names its axes, with units', async () => {
    const { page } = await open(await sweepReport());
    const labels = (id: string) =>
      page.evaluate(
        `document.getElementById('${id}').uplot.axes.map(({ label }) => typeof label === 'function' ? label() : label)`,
      );
    expect(await labels('loss')).toEqual(['step', 'loss (nats per token)']);
    expect(await labels('gain')).toEqual(['block FLOPs', 'loss (nats per token)']);
    expect(await labels('memory')).toEqual(['step', 'memory of the process']);
    await page.getByRole('radio', { name: 'seconds' }).check({ force: true });
    expect(await labels('throughput')).toEqual(['time of training', 'tokens per second']);
  });

  test('runs that cannot be compared are shown, and why', async () => {
    const other = await runDirectory('other', [startLine({ sequenceLength: 16 }), ...lines.slice(1)]);
    const { page, expectNoErrors } = await open(await reportOf(await runDirectory('run'), other));
    expect(await page.locator('main').textContent()).toContain('sequenceLength: 32 -> 16');
    expect(await page.locator('#loss .readout .name').count()).toBe(4);
    expectNoErrors();
  });

  test('other tokenizers share a chart in bits per byte', async () => {
    const start = startLine({ est: { schedule: 'dense' } });
    const data = dataDescription({
      tokenizer: { name: 'huggingface', sha256: 'b9e0' },
      validation: { targets: 64, sha256: 'ff', bytes: 256 },
    });
    const other = await runDirectory('other', [{ ...start, data }, ...lines.slice(1)]);
    const { page } = await open(await reportOf(await runDirectory('run'), other));
    const columns = await chartData(page, 'loss');
    const lastOf = (column: (number | null)[]) => column.findLast((value) => typeof value === 'number');
    const heldOut = columns.map(lastOf).filter((_, i) => [2, 4].includes(i));
    expect(heldOut).toEqual([1, 0.25].map((factor) => expect.closeTo((1.2 * factor) / Math.LN2, 6)));
    expect(await page.evaluate("document.getElementById('loss').uplot.axes[1].label")).toBe('loss (bits per byte)');
  });

  /** What an element looks like to the reader. */
  const colorOf = (page: Page, selector: string) =>
    page.evaluate<string>(`getComputedStyle(document.querySelector('${selector}')).color`);

  test('a run that failed says why before anything else, in colour', async () => {
    const reason = 'step 31: loss: expected a finite number, computed nan';
    const end = { kind: 'end', time: '2026-01-02T03:05:05.000Z', state: 'failed', summary: {} } as unknown as EndLine;
    const broken = await runDirectory('broken', [
      ...lines,
      { kind: 'warning', step: 30, text: reason },
      { ...end, step: 30 },
    ]);
    for (const [directories, said] of [
      [[broken], `Failed after step 30: ${reason}`],
      [[await runDirectory('good'), broken], `broken failed after step 30: ${reason}`],
    ] as const) {
      const { page, expectNoErrors } = await open(await reportOf(...directories));
      expect(await page.getByRole('alert').textContent()).toBe(said);
      const [failure, table] = await page.evaluate<number[]>(
        `['#failures', '#runs'].map((id) => document.querySelector(id).getBoundingClientRect().top)`,
      );
      expect(failure).toBeLessThan(table!);
      const [red, ink] = [await colorOf(page, '#failures b'), await colorOf(page, 'body')];
      expect(red).not.toBe(ink);
      expect(await colorOf(page, '.state.failed')).toBe(red);
      expectNoErrors();
    }
    const { page } = await open(await reportOf(await runDirectory('fine')));
    expect(await page.locator('#failures').count()).toBe(0);
  });

  test('what is saved so far stands beside what the run will save', async () => {
    const sum = { stage: 1, steps: 4, ms: 40, blockFlops: 1e5, denseBlockFlops: 1e6, denseSteps: 0, denseMs: 0 };
    const shares = { layers: [1, 1], heads: [[1], [1]], neurons: [1, 1] };
    const totals = (step: number, allFlops: number): MetricsLine => ({
      ...{ kind: 'totals', step, units: { step: shares, run: shares } },
      stages: [{ ...sum, allFlops, denseAllFlops: 1e6 }],
    });
    const early = await runDirectory('early', [...lines.slice(0, 6), totals(4, 2.6e5)]);
    const over = await runDirectory('over', [...lines, totals(30, 7e5)]);
    const { page } = await open(await reportOf(early, over));
    const saved = await page.locator('#runs td[data-label="FLOPs saved"]').allTextContents();
    expect(saved).toEqual([expect.stringMatching(/^74\.0 % so far, \d\d\.\d % planned$/), '30.0 %']);
  });

  test('short runs are drawn where they are: smoothing goes by their length', async () => {
    const { page } = await open(await reportOf(await runDirectory('run')));
    const [, training] = await chartData(page, 'loss');
    expect(training!.at(-1)).toBe(Number(lossAt(30).toPrecision(7)));
    const auto = page.getByRole('button', { name: 'auto' });
    expect(await auto.getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('slider', { name: 'smoothing' }).fill('0.9');
    expect(await auto.getAttribute('aria-pressed')).toBe('false');
    expect(page.url()).toMatch(/smoothing=0\.9$/);
    expect((await chartData(page, 'loss'))[2]!.at(-1)).toBeGreaterThan(1.15); // behind the raw points, now drawn too
    await auto.click();
    expect((await chartData(page, 'loss'))[1]!.at(-1)).toBe(training!.at(-1));
    expect(page.url()).not.toContain('smoothing');
  });

  test('ticks of an axis are distinct, on every axis and scale', async () => {
    const flat = await runDirectory(
      'flat',
      lines.map((line) =>
        line.kind === 'step' || line.kind === 'validation' ? { ...line, loss: 4.19 + line.step / 1e5 } : line,
      ),
    );
    const { page } = await open(await reportOf(flat));
    const ticks = () =>
      page.evaluate<string[][]>(`[...document.querySelectorAll('.chart')].flatMap(({ uplot }) =>
        uplot.axes.map((axis) => axis._values.filter((text) => text !== null && text !== '')))`);
    for (const axis of ['steps', 'tokens', 'block FLOPs', 'all FLOPs', 'seconds']) {
      await page.getByRole('radio', { name: axis }).check({ force: true });
      for (const scale of ['linear', 'log']) {
        await page.getByRole('radio', { name: scale }).check({ force: true });
        // A chart is drawn in the next microtask.
        for (const texts of await ticks()) {
          expect(texts.length).toBeGreaterThan(0);
          expect(new Set(texts).size, texts.join(' ')).toBe(texts.length);
        }
      }
    }
  });

  test('a chart without curves says so', async () => {
    const device = await runDirectory(
      'device',
      lines.map((line) => (line.kind === 'step' ? { ...line, mfu: null } : line)),
    );
    const { page, expectNoErrors } = await open(await reportOf(device));
    expect(await page.locator('#mfu .words').textContent()).toMatch(/^Not known: the peak .* log\.peakFlops/);
    const heights = await page.evaluate<number[]>(
      "['#mfu', '#throughput'].map((id) => document.querySelector(id).getBoundingClientRect().height)",
    );
    expect(heights[0]).toBe(heights[1]);
    for (const name of ['training', 'held-out']) await page.locator('#loss').getByRole('button', { name }).click();
    expect(await page.locator('#loss .words').textContent()).toMatch(/^All lines are switched off/);
    await page.locator('#loss').getByRole('button', { name: 'training' }).click();
    expect(await page.locator('#loss .words').textContent()).toBe('');
    expectNoErrors();
  });

  test('on a narrow screen no table hides its answer', async () => {
    const { page } = await open(await sweepReport(), { width: 400 });
    await page.evaluate("document.querySelectorAll('details').forEach((each) => each.setAttribute('open', ''))");
    const cells = await page.evaluate<
      { right: number; hides: boolean }[]
    >(`[...document.querySelectorAll('td')].map((cell) => ({
      right: cell.getBoundingClientRect().right, hides: cell.scrollWidth > cell.clientWidth + 1 }))`);
    expect(cells.length).toBeGreaterThan(100);
    expect(cells.filter(({ right, hides }) => right > 400 || hides)).toEqual([]);
    // Heading and answer share a line, with the name of its column.
    const [answer, heading] = await page.evaluate<
      { x: number; y: number; label: string }[]
    >(`['td.answer', 'th[scope=row]'].map((each) => {
      const element = document.querySelector('#runs tbody ' + each);
      const { x, y } = element.getBoundingClientRect(); return { x, y, label: element.dataset.label }; })`);
    expect(answer).toMatchObject({ label: 'held-out loss' });
    expect(Math.abs(answer!.y - heading!.y)).toBeLessThan(8);
    expect(await page.getByRole('rowheader').count()).toBeGreaterThan(10);
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
