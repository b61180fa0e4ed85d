// Configuration data over other data, and single keys.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeSections, partsOfKey, withKey } from '../../lib/config/merge.ts';

const base = {
  model: 'gpt2-nano',
  steps: 100,
  optimizer: { learningRate: 1e-3, beta2: 0.99 },
  est: { schedule: [{ layers: 0.5 }, {}] },
};

describe('mergeSections', () => {
  test.each<[string, unknown, unknown]>([
    ['a plain value replaces', { steps: 5 }, { ...base, steps: 5 }],
    ['a key is added', { seed: 2 }, { ...base, seed: 2 }],
    [
      'sections merge key by key',
      { optimizer: { beta2: 0.95, warmupSteps: 3 } },
      { ...base, optimizer: { learningRate: 1e-3, beta2: 0.95, warmupSteps: 3 } },
    ],
    ['a list replaces', { est: { schedule: [{}] } }, { ...base, est: { schedule: [{}] } }],
    ['an empty value replaces', { optimizer: null }, { ...base, optimizer: null }],
    ['a section replaces a plain value', { steps: { a: 1 } }, { ...base, steps: { a: 1 } }],
    ['a plain value replaces a section', { optimizer: 3 }, { ...base, optimizer: 3 }],
    [
      'a model given by name becomes a section',
      { model: { nLayer: 2 } },
      { ...base, model: { preset: 'gpt2-nano', nLayer: 2 } },
    ],
    ['nothing changes nothing', {}, base],
  ])('%s', (_, over, expected) => {
    const before = structuredClone(base);
    expect(mergeSections(base, over)).toEqual(expected);
    expect(base).toEqual(before);
  });

  const data = fc.object({
    key: fc.constantFrom('a', 'b', 'c', 'steps'),
    maxDepth: 3,
    values: [fc.integer(), fc.boolean()],
  });

  test('over nothing, over itself, and with nothing on top it is the same', () => {
    fc.assert(
      fc.property(data, (x) => {
        for (const merged of [mergeSections({}, x), mergeSections(x, x), mergeSections(x, {})])
          expect(merged).toEqual(x);
      }),
    );
  });

  test('keys cannot reach a prototype', () => {
    const over = JSON.parse('{"__proto__": {"steps": 3}}');
    const merged = mergeSections({}, over) as { steps?: number };
    expect(merged.steps).toBeUndefined();
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });
});

test('partsOfKey knows keys and lists, and what is neither', () => {
  expect(partsOfKey('est.schedule[0].heads')).toEqual(['est', 'schedule', '0', 'heads']);
  expect(partsOfKey('est.schedule.0.heads')).toEqual(['est', 'schedule', '0', 'heads']);
  for (const key of ['', 'a..b', '__proto__.x', 'a b', 'a-b', 'a.[0]x']) expect(partsOfKey(key), key).toBeUndefined();
});

test('withKey sets one value and leaves the rest', () => {
  expect(withKey(base, ['optimizer', 'beta2'], 0.9, 'x')).toEqual({
    ...base,
    optimizer: { learningRate: 1e-3, beta2: 0.9 },
  });
  expect(withKey(base, ['est', 'schedule', '1'], null, 'x')).toMatchObject({
    est: { schedule: [{ layers: 0.5 }, null] },
  });
  expect(() => withKey(base, ['steps', 'x'], 1, 'here')).toThrow(
    'here: "x" is below a plain value (100), not a section',
  );
});
