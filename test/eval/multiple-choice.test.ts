// Choosing an ending, and how certain the share of right ones is.

import { describe, expect, test } from 'vitest';
import { judge, type Question } from '../../lib/eval/multiple-choice.ts';

/** A question with endings of so many tokens and bytes; the first is right unless said otherwise. */
function question(endings: [tokens: number, bytes: number | undefined][], label = 0): Question {
  return {
    place: 'here',
    context: Int32Array.of(0),
    endings: endings.map(([tokens, bytes]) => ({ tokens: new Int32Array(tokens), bytes })),
    label,
  };
}

describe('judge', () => {
  test('chooses by the sum, per byte and per token', () => {
    const endings: [number, number][] = [
      [1, 2],
      [4, 8],
      [2, 40],
    ];
    // Sums: the first. Per byte -1, -0.5, -0.2: the last. Per token -2, -1, -4: the middle.
    const scores = [[-2, -4, -8]];
    const by = (label: number) => {
      const { total, perByte, perToken } = judge([question(endings, label)], scores);
      return [total.value, perByte!.value, perToken.value];
    };
    expect([0, 1, 2].map(by)).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ]);
  });

  test('the first of equal endings wins', () => {
    const equal = [-3, -3];
    const two: [number, number][] = [
      [1, 1],
      [1, 1],
    ];
    expect(judge([question(two, 0), question(two, 1)], [equal, equal]).total.value).toBe(0.5);
  });

  test('an ending without bytes is never the best per byte', () => {
    const endings: [number, number][] = [
      [1, 0],
      [1, 3],
    ];
    expect(judge([question(endings, 1)], [[-1, -9]]).perByte!.value).toBe(1);
  });

  test('standard error: sample standard deviation / sqrt(n)', () => {
    const two: [number, number][] = [
      [1, 1],
      [1, 1],
    ];
    const labels = [0, 0, 1, 0, 1, 1, 1];
    const { total } = judge(
      labels.map((label) => question(two, label)),
      labels.map(() => [-1, -2]),
    );
    const right: number[] = labels.map((label) => (label === 0 ? 1 : 0));
    const mean = right.reduce((sum, x) => sum + x) / right.length;
    const variance = right.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (right.length - 1);
    expect(total.value).toBe(mean);
    expect(total.standardError).toBeCloseTo(Math.sqrt(variance / right.length), 14);
    expect(judge([question(two)], [[-1, -2]]).total.standardError).toBeNull();
  });

  test('is silent about bytes where one ending has none known', () => {
    const endings: [number, number | undefined][] = [
      [1, 1],
      [1, undefined],
    ];
    expect(judge([question(endings)], [[-1, -2]]).perByte).toBeNull();
  });
});
