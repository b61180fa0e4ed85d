// Quantiles, ratios, and the order in which alternatives are timed.
import { describe, expect, it } from 'vitest';
import {
  pairedRatio,
  quantile,
  skipEfficiency,
  spreadOf,
  timeInTurn,
  unpairedRatio,
} from '../../lib/bench/statistics.ts';

describe('quantile', () => {
  it('interpolates between sorted values', () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((share) => quantile([4, 1, 3, 2], share))).toEqual([1, 1.75, 2.5, 3.25, 4]);
    expect(spreadOf([7])).toEqual({ median: 7, low: 7, high: 7 });
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('ratios', () => {
  it('of samples that took turns cancel what slowed a round', () => {
    expect(pairedRatio([1, 10, 2], [2, 20, 4])).toEqual({ median: 0.5, low: 0.5, high: 0.5 });
  });
  it('of samples that did not are those of all pairs', () => {
    expect(unpairedRatio([2, 4], [1, 2])).toEqual({ median: 2, low: 1.75, high: 2.5 });
  });
});

describe('skipEfficiency', () => {
  it.each([
    [0.5, 0.5, 1],
    [0.6, 0.5, 0.8],
    [1, 0.5, 0],
    [1.5, 0.5, -1],
    [0.9, 1, null],
  ])('time %f of work %f', (time, work, expected) => {
    const value = skipEfficiency(time, work);
    if (expected === null) expect(value).toBeNull();
    else expect(value).toBeCloseTo(expected);
  });
});

describe('timeInTurn', () => {
  it('takes turns, and can be ended between rounds', async () => {
    const order: string[] = [];
    const alternative = (name: string, ms: number) => async () => {
      order.push(name);
      return ms;
    };
    const both = [alternative('a', 1), alternative('b', 2)];
    expect(await timeInTurn(both, 2)).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(order.join('')).toBe('abab');
    expect(await timeInTurn(both, 5, (done) => done < 1)).toBeUndefined();
    expect(order.join('')).toBe('ababab');
  });
});
