// Ticks: distinct, exact, of one unit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { smoothingFor } from '../../../lib/report/curves.ts';
import { logTicks } from '../../../lib/report/page/axis-text.ts';
import { type TickKind, tickSteps, tickTexts } from '../../../lib/report/page/ticks.ts';

describe('ticks', () => {
  test.each<[TickKind, number[], string]>([
    ['number', [4.186, 4.188, 4.19, 4.192], '4.186 4.188 4.190 4.192'],
    ['number', [0, 0.5, 1, 1.5], '0 0.5 1.0 1.5'],
    ['number', [0.1 + 0.2, 0.4], '0.3 0.4'],
    ['number', [-2, 0, 2], '-2 0 2'],
    ['count', [0, 50_000, 100_000, 150_000], '0 50 k 100 k 150 k'],
    ['count', [6e9, 8e9, 1e10], '6 G 8 G 10 G'],
    ['whole', [10_250, 10_260], '10.25 k 10.26 k'],
    ['percent', [0, 0.2, 0.4], '0 % 20 % 40 %'],
    ['percent', [0.001, 0.0015], '0.10 % 0.15 %'],
    ['bytes', [0, 2 ** 25, 2 ** 26], '0 32 MiB 64 MiB'],
    ['rate', [0, 5e-4, 1e-3], '0 5e-4 1e-3'],
    ['rate', [3.01e-4, 3.02e-4], '3.01e-4 3.02e-4'],
    ['time', [0, 0.2, 0.4], '0 0.2 s 0.4 s'],
    ['time', [0, 30, 60, 90], '0 0:30 1:00 1:30'],
    ['time', [3540, 3600, 3660], '0:59:00 1:00:00 1:01:00'],
    ['time', [83, 83.5, 84], '1:23.0 1:23.5 1:24.0'],
    ['count', [0], '0'],
    ['number', [], ''],
  ])('%s %j', (kind, values, texts) => {
    expect(tickTexts(kind, values).join(' ')).toBe(texts);
  });

  test('of any axis differ', () => {
    const kinds: TickKind[] = ['number', 'count', 'whole', 'percent', 'bytes', 'rate', 'time'];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.integer({ min: 0, max: 500 }),
        fc.constantFrom(1, 2, 5),
        fc.integer({ min: -3, max: 12 }),
        (kind, first, mantissa, power) => {
          const step = tickSteps(kind)?.[Math.abs(power)] ?? mantissa * 10 ** power;
          const texts = tickTexts(
            kind,
            [0, 1, 2, 3, 4, 5].map((i) => (first + i) * step),
          );
          expect(new Set(texts).size, texts.join(' ')).toBe(6);
        },
      ),
    );
  });

  test('of steps are whole, of bytes powers of two', () => {
    expect(tickSteps('whole')!.every(Number.isInteger)).toBe(true);
    expect(tickSteps('bytes')!.slice(0, 4)).toEqual([1, 2, 4, 8]);
    expect(tickSteps('number')).toBeUndefined();
  });
});

test('a logarithmic axis has ticks enough, also within a part of a power of ten', () => {
  const texts = (low: number, high: number, most = Infinity) =>
    logTicks(low, high, most)
      .flatMap((value) => tickTexts('number', [value]))
      .join(' ');
  expect(texts(2.9, 4.3)).toBe('3 3.2 3.4 3.6 3.8 4 4.2');
  expect(texts(4.1865, 4.1935)).toBe('4.188 4.19 4.192');
  expect(texts(1, 12)).toBe('1 1.5 2 2.5 3 4 5 6 8 10');
  expect(texts(1, 1000, 4)).toBe('1 10 100 1000');
  // Few for want of room are not more at one end.
  expect(texts(1.1, 340, 4)).toBe('10 100');
  expect(logTicks(0, 5, 10)).toEqual([]);
  fc.assert(
    fc.property(
      fc.double({ min: 1e-6, max: 1e9, noNaN: true }),
      fc.double({ min: 1.001, max: 1e4, noNaN: true }),
      (low, factor) => {
        const ticks = logTicks(low, low * factor, Infinity);
        expect(ticks.length).toBeGreaterThanOrEqual(3);
        expect(ticks.every((tick) => tick >= low * (1 - 1e-9) && tick <= low * factor * (1 + 1e-9))).toBe(true);
        const named = ticks.flatMap((tick) => tickTexts('number', [tick]));
        expect(new Set(named).size, named.join(' ')).toBe(ticks.length);
      },
    ),
  );
});

test('smoothing goes by the number of points', () => {
  expect([0, 1, 100, 200, 1000, 2000, 1e6].map(smoothingFor)).toEqual([0, 0, 0, 0.5, 0.9, 0.95, 0.98]);
});
