// What runs that are resumed depend on: draws and counts as they are, pinned. Another draw, rounding or seeding is another
// run; a change here needs a new version of the run state.

import { describe, expect, test } from 'vitest';
import { activeCount, neuronCount, type SamplerConfig, sampleSubnetwork } from '../../lib/est/sampler.ts';

const base: SamplerConfig = { nLayer: 6, nHead: 6, nInner: 12, rates: { heads: 0.5, neurons: 0.25, layers: 0.5 } };

/** Typed arrays as plain ones. */
const plain = (subnetwork: object): object =>
  JSON.parse(
    JSON.stringify(subnetwork, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Int32Array)] : value)),
  );

describe('draws', () => {
  test.each([
    [
      1,
      0,
      0,
      [1, 3, 4],
      [
        [1, 2, 3],
        [0, 1, 5],
        [0, 1, 2],
      ],
      [
        [4, 9, 10],
        [1, 5, 7],
        [3, 5, 7],
      ],
    ],
    [
      1,
      1,
      0,
      [0, 2, 5],
      [
        [2, 3, 5],
        [0, 4, 5],
        [1, 2, 3],
      ],
      [
        [5, 8, 10],
        [4, 10, 11],
        [8, 9, 10],
      ],
    ],
    [
      1,
      0,
      1,
      [0, 3, 4],
      [
        [0, 1, 3],
        [0, 3, 5],
        [0, 2, 3],
      ],
      [
        [4, 6, 9],
        [0, 5, 6],
        [5, 10, 11],
      ],
    ],
    [
      2 ** 40,
      149_999,
      3,
      [0, 2, 3],
      [
        [0, 3, 5],
        [0, 2, 5],
        [2, 3, 5],
      ],
      [
        [2, 6, 11],
        [4, 5, 9],
        [4, 8, 9],
      ],
    ],
  ])('seed %d, step %d, group %d', (seed, step, group, layers, heads, neurons) => {
    expect(plain(sampleSubnetwork(base, { seed, step, group }))).toEqual({ layers, heads, neurons });
  });

  test.each<[string, Partial<SamplerConfig>, object]>([
    [
      'layers that are kept, neurons in blocks',
      { keepFirst: 1, keepLast: 1, neuronBlock: 4 },
      {
        layers: [0, 3, 5],
        heads: [
          [0, 4, 5],
          [3, 4, 5],
          [3, 4, 5],
        ],
        neurons: [
          [4, 5, 6, 7],
          [8, 9, 10, 11],
          [0, 1, 2, 3],
        ],
      },
    ],
    [
      'query heads of each key and value head',
      { nKvHead: 3, headSampling: 'query' },
      {
        layers: [1, 2, 5],
        queryHeads: [
          [0, 3, 5],
          [1, 3, 5],
          [1, 3, 5],
        ],
        neurons: [
          [0, 8, 9],
          [7, 10, 11],
          [1, 2, 3],
        ],
      },
    ],
    [
      'layers with rates of their own',
      { rates: { heads: 1, neurons: 1, layers: { perLayer: [1, 0.9, 0.8, 0.7, 0.6, 0.5] } } },
      { layers: [0, 1, 2, 3, 4], layerScale: [1, 1.1111111111111112, 1.25, 1.4285714285714286, 1.6666666666666667] },
    ],
  ])('%s', (_, options, expected) => {
    expect(plain(sampleSubnetwork({ ...base, ...options }, { seed: 7, step: 3, group: 0 }))).toEqual(expected);
  });
});

describe('counts at odd rates', () => {
  // floor(rate * n + 0.5): neither always up nor always down.
  test.each([
    [0.45, 12, 5], // 5.4
    [0.55, 12, 7], // 6.6
    [0.1, 12, 1], // 1.2
    [0.3, 12, 4], // 3.6
    [0.7, 12, 8], // 8.4
    [2 / 3, 32, 21], // 21.33
    [0.75, 22, 17], // 16.5
  ])('activeCount(%d, %d) is %d', (rate, n, expected) => {
    expect(activeCount(rate, n)).toBe(expected);
  });

  test.each([
    [{ nInner: 3072 }, 0.33, 1014], // 1013.76
    [{ nInner: 3072 }, 0.4001, 1229], // 1229.1
    [{ nInner: 3072, neuronMultiple: 64 }, 0.33, 1024], // 15.8 multiples
    [{ nInner: 3072, neuronMultiple: 64 }, 0.425, 1280], // 20.4 multiples
  ])('neuronCount(%o, %d) is %d', (config, rate, expected) => {
    expect(neuronCount(config, rate)).toBe(expected);
  });
});
