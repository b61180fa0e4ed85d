// Which runs make the curve, which stand beside it, and which are controls: decided from their configurations.

import { describe, expect, test } from 'vitest';
import { compareRuns } from '../../lib/report/compare-runs.ts';
import { controlText, curveRows, finalText, gainNote, gainRows } from '../../lib/report/gain-text.ts';
import { completeRun, type RunOptions } from './runs.ts';

const dense = { est: { schedule: 'dense' } };

/** Dense runs of 100, 200 and 400 steps, whose loss falls by 1 with every doubling. */
const curve = (seed = 1, options: RunOptions = {}) =>
  [100, 200, 400].map((steps, i) =>
    completeRun(`dense-${steps}-${seed}`, steps, 4 - i + seed / 100, { ...dense, seed, ...options }),
  );

/** 400 steps at half of the FLOPs and three quarters of the time. */
const halved = { flops: 5e5, seconds: 0.0075 };

describe('the curve', () => {
  test('is made of the dense runs that differ in steps and seed only; the others gain against it', () => {
    const { gain } = compareRuns([
      ...curve(1).toReversed(),
      ...curve(2),
      completeRun('est-1', 400, 2.51, { ...halved, seed: 1 }),
      completeRun('est-2', 400, 2.52, { ...halved, seed: 2 }),
      completeRun('lr', 400, 1.9, { ...dense, optimizer: { learningRate: 1e-3 } }),
    ]);
    expect(gain!.lengths.map(({ name, steps, runs }) => [name, steps, runs])).toEqual([
      ['dense-100-1', 100, ['dense-100-1', 'dense-100-2']],
      ['dense-200-1', 200, ['dense-200-1', 'dense-200-2']],
      ['dense-400-1', 400, ['dense-400-1', 'dense-400-2']],
    ]);
    expect(gain!.reference).toBe('dense-400-1');
    expect(gain!.groups.map(({ name }) => name)).toEqual(['est-1', 'lr']);
    // A loss of 2.5 takes 282.8 dense steps of 1e6 FLOPs and 0.01 s; the runs took as much as 200, and 3 s.
    const [est, lr] = gain!.groups;
    const exact = (mean: number) => ({
      kind: 'exact',
      mean: expect.closeTo(mean, 9),
      spread: expect.closeTo(0, 9),
      n: 2,
    });
    expect(est!.gain).toEqual({
      executedBlockFlops: exact(Math.SQRT2),
      executedFlops: exact(Math.SQRT2),
      trainSeconds: exact((2 * Math.SQRT2) / 3),
    });
    expect(lr!.gain.executedFlops).toEqual({ kind: 'more than', mean: 1, spread: null, n: 1 });
    // 2.515 less 2.015, each with a spread of 0.01 / sqrt(2).
    expect(est!.difference).toEqual({
      difference: expect.closeTo(0.5, 12),
      spread: expect.closeTo(0.01, 12),
      isBeyondSpread: true,
    });
    expect(curveRows(gain!)[1]).toEqual(['dense-100-1, 100 steps', '2', '80.0 M', '100 M', '1.0 s', '4.0150 ± 0.0071']);
    expect(gainRows(gain!)[1]).toEqual([
      'est-1, 400 steps',
      '2',
      '1.41 ± 0.00',
      '1.41 ± 0.00',
      '0.94 ± 0.00',
      '2.5150 ± 0.0071',
    ]);
    expect(finalText(est!, gain!)).toBe(
      'est-1 ends 0.5000 ± 0.0100 higher than dense-400-1: beyond the spread of the seeds',
    );
    expect(finalText(lr!, gain!)).toBe('lr ends 0.1150 lower than dense-400-1: one seed, so the spread is not known');
    expect(gainNote(gain!)).toMatch(/^Each run stands against the dense runs of its own seed\. /);
  });

  test('is that of the first run, where this has two lengths, else that with the most lengths', () => {
    const small = { ...dense, model: { nLayer: 1, nHead: 2, nEmbd: 64, contextLength: 32 } };
    const smalls = [100, 200].map((steps) => completeRun(`small-${steps}`, steps, 3, small));
    const namesOf = (...runs: Parameters<typeof compareRuns>[0]) =>
      compareRuns(runs).gain!.lengths.map(({ name }) => name);
    expect(namesOf(...smalls, ...curve())).toEqual(['small-100', 'small-200']);
    expect(namesOf(smalls[0]!, ...curve())).toEqual(['dense-100-1', 'dense-200-1', 'dense-400-1']);
    expect(namesOf(completeRun('est', 400, 2.5), ...smalls, ...curve())).toHaveLength(3);
  });

  test('does not ask how units would be left out where none are', () => {
    const est = { schedule: [{ heads: 1 }], keepFirst: 1, groupsPerStep: 2 };
    const same = completeRun('long', 800, 1, { est, optimizer: { inactive: 'freeze' } });
    expect(compareRuns([...curve(), same]).gain!.lengths.at(-1)!.name).toBe('long');
  });

  test('has no runs that are not complete, and none of them gains', () => {
    const begun = completeRun('begun', 300, 2.5, { ...dense, steps: 800 });
    const stopped = completeRun('stopped', 300, 2.5, { steps: 400 });
    const { gain, notes } = compareRuns([...curve(), begun, stopped]);
    expect(gain!.lengths).toHaveLength(3);
    expect(gain!.groups).toEqual([]);
    expect(notes).toEqual([
      'no gain is claimed for begun, stopped: not complete, so the learning rate may still be high',
    ]);
  });

  test('of another seed, or with a length that a seed lacks, is that of the mean', () => {
    const runs = [completeRun('est-1', 400, 2.51, halved), completeRun('est-7', 400, 2.51, { ...halved, seed: 7 })];
    const { gain } = compareRuns([...curve(1), ...curve(2).slice(1), ...runs]);
    expect(gain!.groups[0]!.runs.map(({ isPaired }) => isPaired)).toEqual([true, false]);
    expect(gainNote(gain!)).toContain('else against their mean: est-1 (1 of 2 runs paired)');
  });

  test('does not count what an initial model took, and says so', () => {
    const { notes } = compareRuns([...curve(), completeRun('grown', 400, 2.5, { initFrom: 'runs/small' })]);
    expect(notes).toEqual(['grown began with the weights of another model (initFrom), whose FLOPs are not counted']);
  });

  test('in seconds of several machines comes with a note', () => {
    const { notes } = compareRuns([...curve(), completeRun('est', 400, 2.5, { start: { threads: 8 } })]);
    expect(notes).toEqual([
      'seconds are of different machines or settings: a processor, cpu (avx2), threads: 2; a processor, cpu (avx2), threads: 8',
    ]);
  });

  test('of files without block FLOPs has all FLOPs and seconds', () => {
    const runs = [...curve(), completeRun('est', 400, 2.51, halved)];
    runs[0]!.validation.executedBlockFlops.fill(null);
    const { gain } = compareRuns(runs);
    expect(gainRows(gain!)[1]).toEqual(['est, 400 steps', '1', '–', '1.41', '0.94', '2.5100']);
    expect(curveRows(gain!)[1]!.slice(2, 4)).toEqual(['–', '100 M']);
  });
});

describe('the controls', () => {
  const small = { ...dense, model: { nLayer: 1, nHead: 2, nEmbd: 64, contextLength: 32 } };

  test('are dense training at equal FLOPs, and a small dense model', () => {
    const { controls } = compareRuns([
      ...curve(),
      completeRun('est', 400, 2.51, halved),
      completeRun('off', 400, 2.6, { flops: 5.2e5, optimizer: { beta2: 0.99 } }),
      completeRun('small', 404, 2.3, { ...small, flops: 5e5 }),
      completeRun('small-short', 100, 3.3, { ...small, flops: 5e5 }),
    ]);
    expect(controls.map(controlText)).toEqual([
      'Control, dense at equal block FLOPs: dense-200-1, 100.0 % of the block FLOPs of est, which ends 0.5000 lower',
      'Control, small dense model: small, nLayer 1 for 2, 101.0 % of the block FLOPs of est, which ends 0.2100 higher',
      'Control, small dense model: small, nLayer 1 for 2, 97.1 % of the block FLOPs of off, which ends 0.3000 higher',
      'Control, small dense model: small-short, nLayer 1 for 2',
    ]);
  });

  test('are named without a curve too', () => {
    const { gain, controls } = compareRuns([completeRun('dense', 200, 3, dense), completeRun('est', 400, 2.5, halved)]);
    expect(gain).toBeNull();
    expect(controls.map(({ kind, name, of }) => [kind, name, of!.name])).toEqual([
      ['dense at equal block FLOPs', 'dense', 'est'],
    ]);
  });

  test('a small model is narrower or has fewer layers, is larger in nothing, and sees the same data', () => {
    const kindsOf = (options: RunOptions) =>
      compareRuns([...curve(), completeRun('other', 400, 2, options)]).controls.map(({ kind }) => kind);
    expect(kindsOf(small)).toEqual(['small dense model']);
    expect(kindsOf({ ...small, est: { schedule: 'est-gpt2' }, flops: 1e5 })).toEqual([]);
    expect(kindsOf({ ...small, data: { directory: 'other' }, flops: 1e5 })).toEqual([]);
    expect(kindsOf({ ...small, model: { ...small.model, nLayer: 3 }, flops: 1e5 })).toEqual([]);
    expect(kindsOf({ ...small, model: { ...small.model, nInner: 512 }, flops: 1e5 })).toEqual([]);
    expect(kindsOf({ ...small, model: { ...small.model, nEmbd: 32 }, flops: 1e5 })).toEqual(['small dense model']);
  });
});
