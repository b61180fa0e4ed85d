// Reading runs for display: everything of small ones, the extremes of large ones, and what is damaged is said.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRun } from '../../lib/report/read-run.ts';
import { writeReport } from '../../lib/report/write-report.ts';
import type { MetricsLine } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { startLine, stepLine, textOf, validationLine } from './metrics-lines.ts';

async function runOf(text: string): Promise<string> {
  const directory = path.join(await temporaryDirectory(), 'a-run');
  await mkdir(directory);
  await writeFile(path.join(directory, 'metrics.jsonl'), text);
  return directory;
}

function damagedSchedule(): object {
  const line = startLine({}, 3);
  return { ...line, config: { ...line.config, est: { ...line.config.est, schedule: [{ endStep: 'x' }] } } };
}

const lines: MetricsLine[] = [
  startLine(),
  validationLine(0, 4),
  ...[1, 2, 3].map((step) => stepLine(step, 4 - step / 10)),
  validationLine(3, 3.65),
  { kind: 'sample', step: 3, text: 'two\nlines' },
  { kind: 'warning', step: 3, text: 'a warning' },
];

describe('a small run', () => {
  test('is read whole, with the plan of its stages', async () => {
    const directory = await runOf(textOf(lines));
    const run = await readRun(directory);
    expect(run).toMatchObject({ name: 'a-run', directory, state: 'unfinished', step: 3, stepLines: 3 });
    expect(run.start?.config.steps).toBe(30);
    expect(run.steps.step).toEqual([1, 2, 3]);
    expect(run.steps.loss).toEqual([3.9, 3.8, 3.7]);
    expect(run.steps.neurons).toEqual([256, 256, 256]);
    expect(run.validation).toEqual({
      step: [0, 3],
      tokens: [0, 384],
      executedBlockFlops: [0, 2.4e6],
      executedFlops: [0, 3e6],
      trainSeconds: [0, 0.03],
      loss: [4, 3.65],
    });
    expect(run.samples).toHaveLength(1);
    expect(run.warnings.map(({ text }) => text)).toEqual(['a warning']);
    // est-gpt2 over 30 steps; a quarter and a half of the block FLOPs of a dense step.
    expect(run.stages.map(({ startStep, endStep }) => [startStep, endStep])).toEqual([
      [0, 4],
      [4, 14],
      [14, 30],
    ]);
    expect(run.stages.map(({ plannedBlockRatio }) => plannedBlockRatio)).toEqual([0.25, 0.5, 1]);
    expect(run.plannedSaving?.block).toBeCloseTo((4 * 0.75 + 10 * 0.5) / 30, 12);
  });

  test('measured stages stand beside the planned ones', async () => {
    const units = {
      layers: [1, 1],
      heads: [
        [1, 1],
        [1, 1],
      ],
      neurons: [1, 1],
    };
    const stage = { blockFlops: 25, allFlops: 30, denseBlockFlops: 100, denseAllFlops: 110 };
    const stages = [
      { stage: 1, steps: 4, ms: 20, ...stage, denseSteps: 0, denseMs: 0 },
      { stage: 3, steps: 2, ms: 20, ...stage, denseSteps: 2, denseMs: 20 },
    ];
    const totals: MetricsLine = { kind: 'totals', step: 6, stages, units: { step: units, run: units } };
    const run = await readRun(await runOf(textOf([...lines, totals])));
    expect(run.stages[0]).toMatchObject({ steps: 4, blockRatio: 0.25, msPerStep: 5, timeRatio: 0.5 });
    expect(run.stages[1]).toMatchObject({ steps: 0, blockRatio: null, msPerStep: null, timeRatio: null });
  });

  test('of an earlier version gets its block FLOPs from the totals, exactly at them and linear between', async () => {
    const stage = { stage: 1, steps: 4, ms: 20, allFlops: 30, denseBlockFlops: 100, denseAllFlops: 110 };
    const units = { layers: [], heads: [], neurons: [] };
    const totalsOf = (step: number, blockFlops: number): MetricsLine => {
      const stages = [{ ...stage, blockFlops, denseSteps: 0, denseMs: 0 }];
      return { kind: 'totals', step, stages, units: { step: units, run: units } };
    };
    const old = [...lines.slice(0, 5), totalsOf(3, 24), stepLine(4, 3.6), validationLine(4, 3.5)].map((line) => {
      const { executedBlockFlops: _, ...rest } = line as MetricsLine & { executedBlockFlops?: number };
      return rest as MetricsLine;
    });
    const run = await readRun(await runOf(textOf(old)));
    expect(run.steps.executedBlockFlops).toEqual([8, 16, 24, null]);
    expect(run.validation.executedBlockFlops).toEqual([0, null]);
    // Lines of a version that writes them stay as they are.
    const mixed = await readRun(await runOf(textOf([...old, stepLine(5, 3.5), validationLine(5, 3.4)])));
    expect(mixed.steps.executedBlockFlops).toEqual([8, 16, 24, null, 4e6]);
    expect(mixed.validation.executedBlockFlops).toEqual([0, null, 4e6]);
  });

  test('that was killed loses its torn last line and nothing else, and says so', async () => {
    const torn = JSON.stringify(stepLine(4, 3.6)).slice(0, 50);
    const run = await readRun(await runOf(textOf(lines) + torn));
    expect(run.steps.step).toEqual([1, 2, 3]);
    expect(run.warnings.at(-1)!.text).toBe(
      'metrics.jsonl:9: the last line is torn, as a killed process leaves it; left out',
    );
  });

  test('with damage elsewhere is read around it', async () => {
    const run = await readRun(
      await runOf(`${textOf(lines.slice(0, 3))}{"kind":"step","st\n\n${textOf(lines.slice(3))}`),
    );
    expect(run.steps.step).toEqual([1, 2, 3]);
    expect(run.warnings.at(-1)!.text).toBe('metrics.jsonl:4: no JSON, left out: {"kind":"step","st');
  });

  test.each([
    ['a number as text', { ...stepLine(3, 3), loss: '3.7' }, 'loss: expected number, received string'],
    ['no number', { ...stepLine(3, 3), gradientNorm: undefined }, 'gradientNorm: expected number, received undefined'],
    ['no units', { ...stepLine(3, 3), active: undefined }, 'active: expected object, received undefined'],
    ['no loss of an evaluation', { kind: 'validation', step: 3 }, 'loss: expected number, received undefined'],
    ['a text that is none', { kind: 'sample', step: 3, text: 5 }, 'text: expected string, received number'],
    ['totals without stages', { kind: 'totals', step: 3 }, 'stages: expected array, received undefined'],
    [
      'an end without a summary',
      { kind: 'end', step: 3, time: '', state: 'complete' },
      'summary: expected object, received undefined',
    ],
    ['a state of its own', { kind: 'end', step: 3, time: '', state: 'over', summary: {} }, 'state: expected one of'],
    ['a negative step', { kind: 'warning', step: -3, text: '' }, 'step: Too small'],
    [
      'a start without its machine',
      { ...startLine({}, 3), host: undefined },
      'host: expected object, received undefined',
    ],
    ['a model in words', { ...startLine({}, 3), model: 'gpt2' }, 'model: expected object, received string'],
    ['a schedule of stages that are none', damagedSchedule(), 'config: '],
    ['nothing', null, 'expected an object with a kind'],
    ['a list', [1, 2], 'expected an object with a kind'],
  ])('leaves a line out that has %s, and says so', async (_, line, problem) => {
    const directory = await runOf(`${textOf(lines)}${JSON.stringify(line)}\n${textOf([stepLine(4, 3.6)])}`);
    const run = await readRun(directory);
    expect(run.steps.step).toEqual([1, 2, 3, 4]);
    expect(run.validation.step).toEqual([0, 3]);
    expect(run.start).toEqual(lines[0]);
    expect(run.warnings.at(-1)!.text).toContain(`metrics.jsonl:9: damaged, left out: ${problem}`);
    await writeReport([directory], path.join(directory, 'report.html'));
  });

  test('with much damage names the first of it', async () => {
    const damage = Array.from({ length: 100 }, () => ({ kind: 'step', step: 3 }) as unknown as MetricsLine);
    const run = await readRun(await runOf(textOf([...lines, ...damage])));
    expect(run.warnings).toHaveLength(1 + 20 + 1);
    expect(run.warnings.at(-1)!.text).toBe('metrics.jsonl: 80 more lines left out for the like');
  });

  test('of a later version is read but for what nobody knows here', async () => {
    const line = { kind: 'gradients', step: 3, norms: ['?'] } as unknown as MetricsLine;
    const run = await readRun(await runOf(textOf([...lines, line])));
    expect(run.warnings).toHaveLength(1);
  });

  test('that went on after a stop is unfinished again', async () => {
    const end = { kind: 'end', step: 3, time: 'then', state: 'stopped', summary: {} } as unknown as MetricsLine;
    const stopped = await runOf(textOf([...lines, end]));
    expect(await readRun(stopped)).toMatchObject({ state: 'stopped' });
    const goesOn = await readRun(await runOf(textOf([...lines, end, startLine({}, 3)])));
    expect(goesOn).toMatchObject({ state: 'unfinished', end: undefined });
    expect(goesOn.starts.map(({ step }) => step)).toEqual([0, 3]);
  });

  test('that was changed says so once, however often it went on from there', async () => {
    const change = (step: number, to: number): MetricsLine => ({ kind: 'change', step, key: 'steps', from: 30, to });
    const again = [startLine({}, 3), change(3, 40), startLine({}, 3), change(3, 40), change(3, 50)];
    const run = await readRun(
      await runOf(textOf([...lines, ...again, stepLine(4, 3.6), startLine({}, 4), change(4, 60)])),
    );
    expect(run.changes.map(({ step, to }) => [step, to])).toEqual([
      [3, 40],
      [3, 50],
      [4, 60],
    ]);
    expect(run.warnings).toHaveLength(1);
  });

  test('that is none is named', async () => {
    await expect(readRun('nowhere')).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringMatching(/^nowhere: expected a run directory with metrics.jsonl, but it has none/),
    });
  });
});

describe('a large run', () => {
  test('is thinned, and keeps its spikes, its order and its other lines', async () => {
    const losses = Array.from({ length: 20_000 }, (_, i) => 3 + (i % 7) / 100);
    losses[12_345] = 40;
    losses[6_789] = 1e-3;
    const many: MetricsLine[] = losses.map((loss, i) =>
      stepLine(i + 1, loss, i === 15_000 ? { gradientNorm: 2.5e7 } : { gradientNorm: 1 / (i + 10) }),
    );
    many.splice(10_000, 0, validationLine(10_000, 3.5));
    const run = await readRun(await runOf(textOf([startLine({ steps: 20_000 }), ...many])), { maxPoints: 500 });
    const { step, loss, gradientNorm } = run.steps;
    expect(run.stepLines).toBe(20_000);
    expect(step.length).toBeGreaterThan(200);
    expect(step.length).toBeLessThan(600);
    expect(step).toEqual([...step].sort((a, b) => a! - b!));
    expect(loss[step.indexOf(12_346)]).toBe(40);
    expect(loss[step.indexOf(6_790)]).toBe(1e-3);
    expect(gradientNorm[step.indexOf(15_001)]).toBe(2.5e7);
    expect(run.validation.loss).toEqual([3.5]);
    expect(run).toMatchObject({ state: 'complete', step: 20_000 });
  });
});
