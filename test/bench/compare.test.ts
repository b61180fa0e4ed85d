// Which changes between two files count as regressions, and what cannot be compared.
import { describe, expect, it } from 'vitest';
import { compareBenches } from '../../lib/bench/compare.ts';
import type { Machine } from '../../lib/bench/machine.ts';
import type { BenchEntry, BenchFile } from '../../lib/bench/result-file.ts';

const machine = { processor: 'one', cores: 2, isa: 'avx2', node: 'v20' } as Machine;

function file(entries: BenchEntry[], changes: Partial<BenchFile> = {}): BenchFile {
  return { format: 'burgeon-bench-1', bench: 'ops', date: '2025-01-02', command: '', machine, entries, ...changes };
}

const ms = (samples: number[], key = 'a'): BenchEntry => ({ key, unit: 'ms', samples });
const rate = (samples: number[], key = 'a'): BenchEntry => ({ key, unit: 'FLOP/s', samples });

/** The one verdict at a threshold of 10 %. */
function verdict(before: BenchEntry, after: BenchEntry) {
  const { entries, hasRegression } = compareBenches(file([before]), file([after]), 0.1, 'old.json');
  expect(hasRegression).toBe(entries[0]!.verdict === 'slower');
  return entries[0]!.verdict;
}

describe('a change', () => {
  it.each([
    ['no change', [1, 1.1, 1.2], [1, 1.1, 1.2], 'same'],
    ['below the threshold, however steady', [1, 1, 1], [1.09, 1.09, 1.09], 'same'],
    ['beyond it, apart', [1, 1.01, 1.02], [1.2, 1.21, 1.22], 'slower'],
    ['beyond it, but the quartiles overlap', [1, 1.1, 2], [1.3, 1.5, 1.6], 'same'],
    ['beyond it the other way', [1.2, 1.21, 1.22], [1, 1.01, 1.02], 'faster'],
    ['the other way, overlapping', [1, 1.3, 1.6], [0.9, 1, 1.4], 'same'],
    ['of a single sample', [1], [1.2], 'slower'],
    ['with one outlier', [1, 1, 1, 1, 9], [1.01, 1.01, 1.01, 1.01, 1.01], 'same'],
  ] as const)('of time: %s', (_, before, after, expected) => {
    expect(verdict(ms([...before]), ms([...after]))).toBe(expected);
  });

  it('of a rate is slower when the rate is smaller', () => {
    expect(verdict(rate([100, 101]), rate([80, 81]))).toBe('slower');
    expect(verdict(rate([80, 81]), rate([100, 101]))).toBe('faster');
    const { ratio } = compareBenches(file([rate([100])]), file([rate([50])]), 0.1, '').entries[0]!;
    expect(ratio).toEqual({ median: 2, low: 2, high: 2 });
  });

  it('is the ratio of the medians, with the quartiles of all pairs', () => {
    const { ratio } = compareBenches(file([ms([1, 2])]), file([ms([3, 6])]), 0.1, '').entries[0]!;
    // Pairs: 3, 1.5, 6, 3.
    expect(ratio).toEqual({ median: 3, low: 2.625, high: 3.75 });
  });
});

describe('files', () => {
  it('are matched by key; what only one has is told, not compared', () => {
    const before = file([ms([1], 'both'), ms([1], 'gone'), rate([1], 'unit')]);
    const after = file([ms([1], 'new'), ms([1], 'both'), ms([1], 'unit')]);
    const { entries, onlyOld, onlyNew } = compareBenches(before, after, 0.1, 'old.json');
    expect(entries.map(({ key }) => key)).toEqual(['both']);
    expect({ onlyOld, onlyNew }).toEqual({ onlyOld: ['gone', 'unit'], onlyNew: ['new', 'unit'] });
  });

  it('of other machines are compared, and the difference is told', () => {
    const before = file([ms([1])], { machine: { ...machine, processor: 'another' } });
    expect(compareBenches(before, file([ms([1])]), 0.1, '').differences).toEqual(['processor: another, now one']);
  });

  it('of other benches or with no key in common are refused', () => {
    expect(() => compareBenches(file([ms([1])], { bench: 'peak' }), file([ms([1])]), 0.1, 'old.json')).toThrow(
      'old.json: expected results of `burgeon bench ops` to compare with, found those of `burgeon bench peak`',
    );
    expect(() => compareBenches(file([ms([1], 'x')]), file([ms([1], 'y')]), 0.1, 'old.json')).toThrow(
      'old.json: expected an entry like "y" to compare with, found none of this run\'s 1 (it has for example "x")',
    );
  });
});
