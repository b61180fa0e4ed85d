// Who shares a subnetwork: cases worked by hand, and the laws of every partition as properties.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GroupOptions, groupCount, groupsOf } from '../../lib/train/groups.ts';

/** Per micro-batch, "number:begin-end" of its groups. */
function cut(batchSize: number, accumulationSteps: number, groupsPerStep: GroupOptions['groupsPerStep']): string[] {
  return groupsOfStep({ batchSize, accumulationSteps, groupsPerStep }).map((groups) =>
    groups.map(({ index, begin, end }) => `${index}:${begin}-${end}`).join(' '),
  );
}

function groupsOfStep(options: GroupOptions) {
  return Array.from({ length: options.accumulationSteps }, (_, micro) => groupsOf(micro, options));
}

describe('by hand', () => {
  test.each<[string, number, number, GroupOptions['groupsPerStep'], string[]]>([
    ['auto makes 4 groups of one micro-batch', 12, 1, 'auto', ['0:0-3 1:3-6 2:6-9 3:9-12']],
    ['auto makes them nearly equal', 6, 1, 'auto', ['0:0-1 1:1-3 2:3-4 3:4-6']],
    ['auto cannot make more than there are sequences', 3, 1, 'auto', ['0:0-1 1:1-2 2:2-3']],
    ['auto spreads 4 over two micro-batches', 4, 2, 'auto', ['0:0-2 1:2-4', '2:0-2 3:2-4']],
    ['auto rounds up: 2 in each of three', 4, 3, 'auto', ['0:0-2 1:2-4', '2:0-2 3:2-4', '4:0-2 5:2-4']],
    ['auto with many micro-batches: one each', 2, 5, 'auto', ['0:0-2', '1:0-2', '2:0-2', '3:0-2', '4:0-2']],
    ['sequence: one each', 2, 2, 'sequence', ['0:0-1 1:1-2', '2:0-1 3:1-2']],
    ['a number', 4, 1, 2, ['0:0-2 1:2-4']],
    ['one for the whole step', 4, 3, 1, ['0:0-4', '0:0-4', '0:0-4']],
    ['fewer groups than micro-batches: neighbours share', 4, 5, 2, ['0:0-4', '0:0-4', '0:0-4', '1:0-4', '1:0-4']],
    ['as many groups as micro-batches', 4, 2, 2, ['0:0-4', '1:0-4']],
  ])('%s', (_, batchSize, accumulationSteps, groupsPerStep, expected) => {
    expect(cut(batchSize, accumulationSteps, groupsPerStep)).toEqual(expected);
  });
});

const options: fc.Arbitrary<GroupOptions> = fc.record({
  batchSize: fc.integer({ min: 1, max: 40 }),
  accumulationSteps: fc.integer({ min: 1, max: 12 }),
  groupsPerStep: fc.oneof(fc.constantFrom('auto' as const, 'sequence' as const), fc.integer({ min: 1, max: 60 })),
});

describe('laws', () => {
  test('every sequence is in exactly one group, and groups of a micro-batch differ by at most one sequence', () => {
    fc.assert(
      fc.property(options, (given) => {
        for (const groups of groupsOfStep(given)) {
          const sizes = groups.map(({ begin, end }) => end - begin);
          expect(groups.map(({ begin }) => begin)).toEqual([0, ...groups.slice(0, -1).map(({ end }) => end)]);
          expect(groups.at(-1)!.end).toBe(given.batchSize);
          expect(Math.min(...sizes)).toBeGreaterThan(0);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('numbers run over the whole step: from 0, in order, none left out', () => {
    fc.assert(
      fc.property(options, (given) => {
        const numbers = groupsOfStep(given).flatMap((groups) => groups.map(({ index }) => index));
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        expect([...new Set(numbers)]).toEqual(Array.from({ length: groupCount(given) }, (_, i) => i));
        const shares = typeof given.groupsPerStep === 'number' && given.groupsPerStep < given.accumulationSteps;
        if (shares) expect(new Set(numbers).size).toBe(given.groupsPerStep);
        else expect(new Set(numbers).size).toBe(numbers.length);
      }),
    );
  });

  test('as many groups are the same groups', () => {
    fc.assert(
      fc.property(options, (given) => {
        expect(groupsOfStep({ ...given, groupsPerStep: groupCount(given) })).toEqual(groupsOfStep(given));
      }),
    );
  });

  test('there are at least as many groups as asked for, where there are as many sequences', () => {
    fc.assert(
      fc.property(options, (given) => {
        const { batchSize, accumulationSteps, groupsPerStep } = given;
        const sequences = batchSize * accumulationSteps;
        const wanted = groupsPerStep === 'auto' ? 4 : groupsPerStep === 'sequence' ? sequences : groupsPerStep;
        const count = new Set(groupsOfStep(given).flatMap((groups) => groups.map(({ index }) => index))).size;
        expect(count).toBeGreaterThanOrEqual(Math.min(wanted, sequences));
        // And no more than rounding up in every micro-batch makes of it.
        expect(count).toBeLessThan(wanted + accumulationSteps);
      }),
    );
  });
});
