// Which layers new ones are copied from, by hand, and the laws of every kind.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { depthTransitions, layerSources, warmupFactor } from '../../lib/est/transition.ts';

describe('layer sources', () => {
  test.each([
    ['stack', 2, 4, [0, 1, 0, 1]],
    ['stack', 2, 5, [0, 1, 0, 1, 0]],
    ['stack', 3, 4, [0, 1, 2, 0]],
    ['repeat', 2, 4, [0, 0, 1, 1]],
    ['repeat', 2, 5, [0, 0, 0, 1, 1]],
    ['repeat', 1, 3, [0, 0, 0]],
    ['middle', 2, 3, [0, 0, 1]],
    ['middle', 4, 6, [0, 1, 2, 1, 2, 3]],
    ['middle', 3, 4, [0, 1, 1, 2]],
    ['middle', 2, 4, [0, 1, 0, 1]],
    ['middle', 1, 4, [0, 0, 0, 0]],
    ['keep', 2, 4, [0, 1, -1, -1]],
    ['zero-out', 1, 2, [0, -1]],
    ['stack', 4, 4, [0, 1, 2, 3]],
    ['stack', 4, 2, [0, 1]],
  ] as const)('%s of %i to %i layers', (kind, from, to, sources) => {
    expect(layerSources(kind, from, to)).toEqual(sources);
  });

  test('every trained layer stays in the model, and none is read after it was written from the last down', () => {
    const sizes = fc
      .integer({ min: 1, max: 30 })
      .chain((from) => fc.tuple(fc.constant(from), fc.integer({ min: from, max: 60 })));
    fc.assert(
      fc.property(fc.constantFrom(...depthTransitions), sizes, (kind, [from, to]) => {
        const sources = layerSources(kind, from, to);
        expect(sources).toHaveLength(to);
        for (const [layer, source] of sources.entries()) expect(source).toBeLessThanOrEqual(layer);
        for (let layer = 0; layer < from; layer++) expect(sources).toContain(layer);
      }),
    );
  });
});

test('the learning rate climbs from its share to all of it', () => {
  const transition = { warmupSteps: 4, warmupFrom: 0.2 };
  expect([0, 1, 2, 3, 4, 100].map((n) => warmupFactor(transition, n))).toEqual([0.4, 0.6000000000000001, 0.8, 1, 1, 1]);
  expect(warmupFactor({}, 0)).toBe(1);
  expect(warmupFactor({ warmupSteps: 2 }, 0)).toBe(0.5);
});
