// The generator against the published known answers, and the statistics of what is derived from it. Seeds are fixed, so
// every statistical check either always passes or always fails.

import { describe, expect, test } from 'vitest';
import { CounterRng, fillNormal, permutation, threefry2x32 } from '../../lib/est/rng.ts';

describe('threefry2x32', () => {
  // Random123, tests/kat_vectors: threefry2x32, 20 rounds; counter, key, output.
  test.each([
    { key: [0, 0], counter: [0, 0], output: [0x6b200159, 0x99ba4efe] },
    {
      key: [0xffffffff, 0xffffffff],
      counter: [0xffffffff, 0xffffffff],
      output: [0x1cb996fc, 0xbb002be7],
    },
    {
      key: [0x13198a2e, 0x03707344],
      counter: [0x243f6a88, 0x85a308d3],
      output: [0xc4923a9c, 0x483df7a0],
    },
  ])('matches the known answer for key $key', ({ key, counter, output }) => {
    expect(threefry2x32(key[0]!, key[1]!, counter[0]!, counter[1]!)).toEqual(output);
  });

  test('reads words as 32 bits, signed or not', () => {
    expect(threefry2x32(-1, -2, -3, -4)).toEqual(threefry2x32(0xffffffff, 0xfffffffe, 0xfffffffd, 0xfffffffc));
  });
});

/** The first `count` words of a stream. */
function words(rng: CounterRng, count: number): number[] {
  return Array.from({ length: count }, () => rng.nextUint32());
}

describe('CounterRng', () => {
  test('follows its documented key and counter', () => {
    let key: [number, number] = [5, 0];
    for (const element of [7, 2 ** 32 + 9]) {
      key = threefry2x32(key[0], key[1], element % 2 ** 32, Math.floor(element / 2 ** 32));
    }
    const expected = [0, 1, 2].flatMap((block) => threefry2x32(key[0], key[1], block, 2 ** 30));
    expect(words(new CounterRng(5, 7, 2 ** 32 + 9), 6)).toEqual(expected);
  });

  test('is a function of seed and path, both halves of every number included', () => {
    const streams = [
      [1],
      [2],
      [1 + 2 ** 32],
      [-1],
      [1, 0],
      [1, 1],
      [1, 2 ** 32],
      [1, -1],
      [1, 0, 0],
      [1, 1, 2],
      [1, 2, 1],
      [Number.MAX_SAFE_INTEGER],
      [Number.MIN_SAFE_INTEGER],
    ].map(([seed, ...path]) => words(new CounterRng(seed!, ...path), 4).join());
    expect(new Set(streams).size).toBe(streams.length);
    expect(words(new CounterRng(1, 2, 3), 5)).toEqual(words(new CounterRng(1, 2, 3), 5));
  });

  test('does not depend on other streams being drawn at the same time', () => {
    const alone = words(new CounterRng(3, 1), 6);
    const [a, b] = [new CounterRng(3, 1), new CounterRng(3, 2)];
    const interleaved = Array.from({ length: 6 }, () => {
      b.nextFloat();
      return a.nextUint32();
    });
    expect(interleaved).toEqual(alone);
  });

  test('nextFloat is uniform in [0, 1) and uses all 53 bits', () => {
    const rng = new CounterRng(11);
    const values = Array.from({ length: 100_000 }, () => rng.nextFloat());
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    // Five standard errors of the mean, sqrt(1 / 12 / n).
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / values.length));
    expect(values.some((value) => (value * 2 ** 53) % 2 === 1)).toBe(true);
  });

  test('nextBelow is uniform', () => {
    const rng = new CounterRng(12);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[rng.nextBelow(7)]! += 1;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(22.46); // 99.9 % point, 6 degrees of freedom
  });

  test('nextBelow is unbiased for n where a plain remainder is far from uniform', () => {
    // With n = 3 * 2^30 a remainder of 32 bits gives the lowest third half of the probability.
    const rng = new CounterRng(13);
    const n = 3 * 2 ** 30;
    const draws = 20_000;
    let lowest = 0;
    for (let i = 0; i < draws; i++) {
      const value = rng.nextBelow(n);
      expect(value).toBeLessThan(n);
      if (value < 2 ** 30) lowest += 1;
    }
    expect(Math.abs(lowest / draws - 1 / 3)).toBeLessThan(5 * Math.sqrt(2 / 9 / draws));
    expect(rng.nextBelow(1)).toBe(0);
    expect(rng.nextBelow(2 ** 32)).toBeLessThan(2 ** 32);
  });

  test('rejects what is not a safe integer', () => {
    expect(() => new CounterRng(0.5)).toThrow(
      'seed: expected an integer between -(2^53 - 1) and 2^53 - 1, received 0.5',
    );
    expect(() => new CounterRng(1, 2, Number.NaN)).toThrow(
      /random stream path\[1\]: expected an integer .*received NaN/,
    );
  });
});

describe('fillNormal', () => {
  test('has the moments of a normal distribution', () => {
    const values = fillNormal(new CounterRng(21), new Float32Array(200_000), 0.02);
    const moment = (power: number) => values.reduce((sum, value) => sum + (value / 0.02) ** power, 0) / values.length;
    // Five standard errors: the variances of x, x^2, x^3, x^4 are 1, 2, 15, 96.
    const error = (variance: number) => 5 * Math.sqrt(variance / values.length);
    expect(Math.abs(moment(1))).toBeLessThan(error(1));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(error(2));
    expect(Math.abs(moment(3))).toBeLessThan(error(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(error(96));
  });

  test('the two halves of a pair are uncorrelated', () => {
    const values = fillNormal(new CounterRng(22), new Float32Array(200_000), 1);
    let product = 0;
    for (let i = 0; i < values.length; i += 2) product += values[i]! * values[i + 1]!;
    expect(Math.abs(product / 100_000)).toBeLessThan(5 / Math.sqrt(100_000));
  });

  test('an odd length is a prefix of the longer fill', () => {
    const odd = fillNormal(new CounterRng(23), new Float32Array(5), 1);
    const even = fillNormal(new CounterRng(23), new Float32Array(6), 1);
    expect([...odd]).toEqual([...even.subarray(0, 5)]);
    expect(odd.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  });
});

describe('permutation', () => {
  test('holds every index once', () => {
    expect([...permutation(new CounterRng(31), 0)]).toEqual([]);
    expect([...permutation(new CounterRng(31), 1)]).toEqual([0]);
    const order = permutation(new CounterRng(31), 1000);
    expect(order).toBeInstanceOf(Uint32Array);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  test('every order of four is equally likely', () => {
    const rng = new CounterRng(32);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = permutation(rng, 4).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(49.73); // 99.9 % point, 23 degrees of freedom
  });
});
