// Numbers, tables and the progress line as people see them.

import type { WriteStream } from 'node:tty';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  bytes,
  count,
  counted,
  duration,
  facts,
  percent,
  plural,
  shortened,
  small,
  table,
  wrapped,
} from '../../lib/cli/format.ts';
import { PrepareProgressText } from '../../lib/cli/prepare-progress.ts';
import { ProgressLine } from '../../lib/cli/progress.ts';
import { changeText, valueText } from '../../lib/format.ts';

test.each([
  [0.003 / 10, '0.0003'],
  ['cosine', '"cosine"'],
  [undefined, 'nothing'],
  [[{ endStep: 3, heads: [0.1 + 0.2, 1] }, {}], '[{"endStep":3,"heads":[0.3,1]},{}]'],
])('valueText(%j) is %s', (value, text) => {
  expect(valueText(value)).toBe(text);
  expect(changeText({ key: 'a.b', from: value, to: 1e-9 })).toBe(`a.b changed from ${text} to 1e-9`);
});

test('what is counted has one s, or none', () => {
  expect([0, 1, 2, 2.44].map((value) => counted(value, 'layer'))).toEqual([
    '0 layers',
    '1 layer',
    '2 layers',
    '2.4 layers',
  ]);
  expect([1, 1000].map((value) => `${count(value)} ${plural(value, 'step')}`)).toEqual(['1 step', '1.00 k steps']);
});

describe('numbers', () => {
  test.each([
    [0, '0'],
    [7, '7'],
    [0.5, '0.50'],
    [999, '999'],
    [1000, '1.00 k'],
    [9994, '9.99 k'],
    [9996, '10.0 k'],
    [99_960, '100 k'],
    [999_499, '999 k'],
    [999_500, '1.00 M'],
    [1_234_567, '1.23 M'],
    [8.4e18, '8.40 E'],
    [3e25, '30000 Z'],
  ])('count(%d) is %s', (value, text) => expect(count(value)).toBe(text));

  test.each([
    [0, '0 B'],
    [1023, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [2 ** 31, '2.00 GiB'],
  ])('bytes(%d) is %s', (value, text) => expect(bytes(value)).toBe(text));

  test.each([
    [0, '0 ms'],
    [40.4, '40 ms'],
    [99.6, '0.1 s'],
    [2340, '2.3 s'],
    [9949, '9.9 s'],
    [9950, '0:10'],
    [83_000, '1:23'],
    [3_599_600, '1:00:00'],
    [3 * 3600_000 + 62_000, '3:01:02'],
  ])('duration(%d) is %s', (ms, text) => expect(duration(ms)).toBe(text));

  test('shares and small numbers', () => {
    expect([percent(4 / 15, 2), percent(1), percent(0.05, 0)]).toEqual(['26.67 %', '100.0 %', '5 %']);
    expect(small(6e-4)).toBe('6.00e-4');
  });
});

test('sentences are broken at spaces, names in the middle', () => {
  const words = Array.from({ length: 40 }, (_, i) => `word${i}`);
  const lines = wrapped(words.join(' '), '  ').split('\n');
  expect(lines.every((line) => line.length <= 99)).toBe(true);
  expect(lines.map((line) => /^ */.exec(line)![0].length)).toEqual([2, 4, 4]);
  expect(lines.join(' ').split(/ +/).filter(Boolean)).toEqual(words);
  expect(wrapped(`key: ${'x'.repeat(120)}`)).toBe(`key:\n  ${'x'.repeat(120)}`);
  expect([shortened('runs/dense', 10), shortened('runs/dense', 7), shortened('abcd', 3)]).toEqual([
    'runs/dense',
    'run…nse',
    'a…d',
  ]);
});

test('tables align the first column to the left, the others to the right', () => {
  expect(
    table([
      ['name', 'n'],
      ['a', '100'],
    ]),
  ).toBe('  name    n\n  a     100');
  expect(
    facts([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toBe('  a     1\n  long  2');
});

describe('the progress line', () => {
  afterEach(() => vi.restoreAllMocks());

  /** A stream that keeps what is written, and a clock. */
  function fakes(isTTY: boolean, columns?: number) {
    let written = '';
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const stream = { isTTY, columns, write: (text: string) => (written += text) } as unknown as WriteStream;
    const wait = (ms: number) => {
      now += ms;
    };
    return { line: new ProgressLine(stream), wait, written: () => written };
  }

  test('on a terminal is rewritten in place, ten times a second at most, and cut to the width', () => {
    const { line, wait, written } = fakes(true, 11);
    line.update(() => 'first');
    wait(99);
    line.update(() => 'too soon');
    wait(1);
    line.update(() => 'wider than the terminal');
    expect(written()).toBe('\r\x1b[2Kfirst\r\x1b[2Kwider than');
  });

  test('ends with what came last, where lines stay', () => {
    for (const [isLive, shown] of [
      [false, 'first\nlast\n'],
      [true, '\r\x1b[2Kfirst\r\x1b[2K'],
    ] as const) {
      const { line, written } = fakes(isLive);
      line.update(() => 'first');
      line.update(() => 'between');
      line.update(() => 'last');
      line.finish();
      line.finish();
      expect(written()).toBe(shown);
    }
    const { line, written } = fakes(false);
    line.update(() => 'all', true);
    line.finish();
    expect(written()).toBe('all\n');
  });

  test('makes room for lines that stay', () => {
    const { line, written } = fakes(true);
    line.update(() => 'live');
    line.print('stays');
    line.print('stays too');
    expect(written()).toBe('\r\x1b[2Klive\r\x1b[2Kstays\nstays too\n');
  });

  test('elsewhere is a plain line every ten seconds', () => {
    const { line, wait, written } = fakes(false);
    line.update(() => 'first');
    wait(9_999);
    line.update(() => 'too soon');
    wait(1);
    line.update(() => 'second');
    line.print('stays');
    line.clear();
    expect(written()).toBe('first\nsecond\nstays\n');
  });
});

describe('the progress of prepare', () => {
  const scan = { phase: 'scan', bytesDone: 0, bytesTotal: 400 << 20, documents: 0, tokens: 0 } as const;
  const encode = { ...scan, phase: 'encode', bytesDone: 100 << 20, documents: 3000, tokens: 1.5e6 } as const;

  test('says how much of which pass is done, and when it will be over', () => {
    let now = 0;
    const progress = new PrepareProgressText(true, { now: () => now });
    progress.observe(scan);
    expect(progress.text(scan)).toBe('[....................] 0 %  reading (1 of 2) 0 B of 400 MiB');
    now = 50_000;
    // A continued run begins where the earlier one ended: only what comes on top takes time.
    progress.observe(encode);
    now = 60_000;
    const later = { ...encode, bytesDone: 200 << 20 };
    progress.observe(later);
    expect(progress.text(later)).toBe(
      '[##########..........] 50 %  encoding (2 of 2) 200 MiB of 400 MiB  3.00 k documents  1.50 M tokens  ETA 0:20',
    );
  });

  test('has no bar where lines stay, and no division by nothing', () => {
    const progress = new PrepareProgressText(false, { now: () => 0 });
    const nothing = { ...scan, bytesTotal: 0 };
    progress.observe(nothing);
    expect(progress.text(nothing)).toBe('100 %  reading (1 of 2) 0 B of 0 B');
  });

  test('a dry run reads once', () => {
    const progress = new PrepareProgressText(false, { passes: 1, now: () => 0 });
    progress.observe(scan);
    expect(progress.text(scan)).toBe('0 %  reading 0 B of 400 MiB');
  });
});
