// Where ops stand under the roofs, and what is said of them. Roofs of 100 GFLOP/s and 10 GB/s meet at 10 FLOPs per byte.

import { describe, expect, test } from 'vitest';
import { judgeNoise } from '../../lib/bench/noise.ts';
import { type Circumstances, opSentence, place } from '../../lib/bench/roofline.ts';

const roofs = { flopsPerSecond: 1e11, bytesPerSecond: 1e10 };

describe('place', () => {
  test.each([
    ['many FLOPs per byte', { ms: 1, flops: 8e7, bytes: 1e6 }, 'arithmetic', 0.8, 80],
    ['few FLOPs per byte', { ms: 1, flops: 1e6, bytes: 7e6 }, 'memory', 0.7, 1 / 7],
    ['faster than memory', { ms: 1, flops: 1e6, bytes: 2e7 }, 'caches', 2, 0.05],
    ['far from both', { ms: 1, flops: 3e7, bytes: 2e6 }, 'neither', 0.3, 15],
    ['faster than the peak', { ms: 1, flops: 1.2e8, bytes: 1e6 }, 'arithmetic', 1.2, 120],
    ['a copy that is not to the percent', { ms: 1, flops: 0, bytes: 1.03e7 }, 'memory', 1.03, null],
  ] as const)('%s', (_, call, bound, share, intensity) => {
    const placed = place(call, roofs);
    expect([placed.bound, placed.share, placed.intensity]).toEqual([
      bound,
      expect.closeTo(share, 9),
      intensity === null ? null : expect.closeTo(intensity, 9),
    ]);
  });

  test('a better copy goes before that of the machine', () => {
    expect(place({ ms: 1, flops: 0, bytes: 2e7 }, roofs, 0.9)).toMatchObject({
      bound: 'memory',
      share: 0.9,
      bytesPerSecond: 2e10,
    });
  });

  test('what is not known has no speed', () => {
    expect(place({ ms: 1, flops: 0, bytes: 0 }, roofs)).toMatchObject({
      flopsPerSecond: null,
      bytesPerSecond: null,
      share: 0,
    });
  });
});

describe('opSentence', () => {
  const say = (call: { ms: number; flops: number; bytes: number }, more: Partial<Circumstances> = {}) =>
    opSentence({ name: 'an_op', ms: call.ms, bytes: call.bytes, placement: place(call, roofs), ...more });
  const slow = { ms: 1, flops: 3e7, bytes: 2e6 };

  test('names what binds', () => {
    expect(say({ ms: 1, flops: 8e7, bytes: 1e6 })).toBe(
      'an_op is bound by arithmetic: 80 % of the peak of products, so that only fewer FLOPs make it faster.',
    );
    expect(say({ ms: 1, flops: 0, bytes: 8e6 })).toBe(
      'an_op is bound by memory: 80 % of a copy, 7.63 MiB at 8.00 GB/s, so that only fewer bytes make it faster.',
    );
    expect(say({ ms: 1, flops: 0, bytes: 2e7 }, { coldRatio: 2.34 })).toBe(
      'an_op reads from caches what it works on: 200 % of a memory copy, 19.1 MiB at 20.0 GB/s; with cold caches it takes 2.3 times as long.',
    );
  });

  test('says why neither does: noise before shortness before the rest', () => {
    expect(say(slow, { isBusy: true })).toContain('reaches 30 % of what arithmetic allows, but the machine was busy');
    expect(say(slow, { spread: { median: 1, low: 0.9, high: 1.2 } })).toContain(
      'its times vary by 30 %: something else ran',
    );
    expect(say({ ms: 0.02, flops: 0, bytes: 2e4 })).toBe(
      'an_op reaches 10 % of what memory allows: it takes 20 µs, of which starting threads is a part.',
    );
    expect(say(slow, { spread: { median: 1, low: 1, high: 1.01 } })).toContain(
      'the rest goes to work that counts as neither',
    );
  });

  test('and whether skipping pays', () => {
    expect(say(slow, { skipping: { rate: 0.25, efficiency: 0.5 } })).toMatch(
      /; at rate 0.25 it saves only 50 % of the time/,
    );
    expect(say(slow, { skipping: { rate: 0.25, efficiency: 0.95 } })).not.toContain('rate');
  });
});

describe('judgeNoise', () => {
  const steady = { name: 'steady', samples: [1, 1.01, 1, 0.99, 1] };
  const wild = { name: 'wild', samples: [1, 2, 1, 3, 1.5] };

  test('a quiet machine', () => {
    expect(judgeNoise([steady, steady], 0.99)).toMatchObject({ verdict: 'quiet', unsteady: [] });
  });

  test('times that vary, the worst named', () => {
    const noise = judgeNoise([steady, wild], 1);
    expect(noise).toMatchObject({ verdict: 'noisy', unsteady: ['wild'] });
    expect(noise.text).toContain('1 of 2 vary by more than 15 %, most of all wild');
    // One of very many is no verdict.
    expect(judgeNoise([...Array.from({ length: 20 }, () => steady), wild], 1).verdict).toBe('quiet');
  });

  test('steady times of a busy machine', () => {
    const noise = judgeNoise([steady], 0.6);
    expect(noise.verdict).toBe('noisy');
    expect(noise.text).toMatch(/^other processes took 40 % of the processor/);
  });

  test('too few samples', () => {
    expect(judgeNoise([{ name: 'few', samples: [1, 2, 3] }], undefined)).toMatchObject({ verdict: 'not known' });
    expect(judgeNoise([{ name: 'few', samples: [1] }], 0.5).verdict).toBe('noisy');
  });
});
