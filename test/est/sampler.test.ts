// Counts by hand, laws of every draw as properties, and the distribution of draws by chi-square. Seeds are fixed, so the
// statistical checks either always pass or always fail.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  activeCount,
  activeCounts,
  neuronCount,
  type SamplerConfig,
  type SamplerOptions,
  sampleSubnetwork,
} from '../../lib/est/sampler.ts';
import { resolveSubnetwork, type Subnetwork, validateSubnetwork } from '../../lib/est/subnetwork.ts';

const half: SamplerConfig = { nLayer: 12, nHead: 12, nInner: 3072, rates: { heads: 0.5, neurons: 0.5, layers: 0.5 } };
const key = { seed: 1, step: 0, group: 0 };

describe('counts', () => {
  test.each([
    [0.5, 12, 6],
    [0.5, 25, 13], // 12.5 rounds up
    [0.1, 4, 1], // 0.4 would be none
    [0.01, 1, 1],
    [0.3, 10, 3],
    [0.96, 12, 12],
    [1, 7, 7],
  ])('activeCount(%d, %d) is %d', (rate, n, expected) => {
    expect(activeCount(rate, n)).toBe(expected);
  });

  test.each([
    [{ nInner: 3072 }, 0.5, 1536],
    [{ nInner: 3072, neuronMultiple: 128 }, 0.5, 1536],
    [{ nInner: 3072, neuronMultiple: 128 }, 0.3, 896], // 922 / 128 = 7.2
    [{ nInner: 3072, neuronMultiple: 128 }, 0.01, 128], // never none
    [{ nInner: 3072, neuronMultiple: 1000 }, 0.9, 3000],
    [{ nInner: 3072, neuronMultiple: 1000 }, 1, 3072], // complete stays complete
    [{ nInner: 100, neuronMultiple: 64 }, 0.97, 100], // 128 is more than there are
    [{ nInner: 48, neuronBlock: 16 }, 0.5, 32], // 24 / 16 rounds up
    [{ nInner: 96, neuronBlock: 6, neuronMultiple: 4 }, 0.5, 48], // a multiple of 12
    [{ nInner: 96, neuronBlock: 6, neuronMultiple: 4 }, 0.4, 36],
  ])('neuronCount(%o, %d) is %d', (config, rate, expected) => {
    expect(neuronCount(config, rate)).toBe(expected);
  });
});

describe('grouped queries', () => {
  const grouped: SamplerConfig = { ...half, nHead: 12, nKvHead: 3, rates: { heads: 0.5, neurons: 1, layers: 1 } };

  test('are sampled in whole groups', () => {
    expect(activeCounts(grouped)).toEqual({ layers: 12, heads: 8, kvHeads: 2, neurons: 3072 });
    const drawn = sampleSubnetwork(grouped, key);
    validateSubnetwork(grouped, drawn);
    expect(drawn.queryHeads).toBe(undefined);
    for (const layer of resolveSubnetwork(grouped, drawn)) {
      expect(layer).toMatchObject({ headCount: 8, kvHeadCount: 2 });
    }
    const used = new Set(drawn.heads!.map((list) => list!.join()));
    expect([...used].sort()).toEqual(['0,1', '0,2', '1,2']);
  });

  test('or query by query, as many of each group', () => {
    const config: SamplerConfig = { ...grouped, headSampling: 'query' };
    expect(activeCounts(config)).toEqual({ layers: 12, heads: 6, kvHeads: 3, neurons: 3072 });
    const drawn = sampleSubnetwork(config, key);
    validateSubnetwork(config, drawn);
    for (const layer of resolveSubnetwork(config, drawn)) {
      expect(layer).toMatchObject({ headCount: 6, kvHeadCount: 3 });
    }
    // Groups of a layer are drawn apart.
    const isAlike = (list: Int32Array) =>
      [0, 1].every((i) => list[2 + i] === list[i]! + 4 && list[4 + i] === list[i]! + 8);
    expect(drawn.heads).toBe(undefined);
    expect(drawn.queryHeads!.every((list) => isAlike(list!))).toBe(false);
    expect(new Set(drawn.queryHeads!.flatMap((list) => [...list!])).size).toBe(12);
  });

  test('mean nothing where every query head has its own keys', () => {
    const config: SamplerConfig = { ...half, headSampling: 'query' };
    expect(sampleSubnetwork(config, key)).toEqual(sampleSubnetwork(half, key));
    expect(activeCounts(config)).toEqual(activeCounts(half));
  });

  test.each([
    [Int32Array.of(0, 1, 2, 4), 'expected as many query heads of every key and value head'],
    [Int32Array.of(0, 1), 'expected as many query heads of every key and value head'],
    [Int32Array.of(0, 12), 'expected an index from 0 to 11, received 12'],
  ])('query heads %o are refused', (heads, message) => {
    const config = { nLayer: 1, nHead: 12, nKvHead: 3, nInner: 8 };
    expect(() => validateSubnetwork(config, { queryHeads: [heads] })).toThrow(message);
  });
});

/** Models of many shapes with rates and options that fit them. */
const configs: fc.Arbitrary<SamplerConfig> = fc
  .record({
    nLayer: fc.integer({ min: 1, max: 9 }),
    nHead: fc.integer({ min: 1, max: 12 }),
    blocks: fc.integer({ min: 1, max: 40 }),
    neuronBlock: fc.integer({ min: 1, max: 4 }),
    neuronMultiple: fc.constantFrom(1, 2, 8),
    keep: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
    rates: fc.record({
      heads: fc.double({ min: 0.01, max: 1, noNaN: true }),
      neurons: fc.double({ min: 0.01, max: 1, noNaN: true }),
      layers: fc.double({ min: 0.01, max: 1, noNaN: true }),
    }),
  })
  .map(({ blocks, keep, ...shape }) => {
    const layers = activeCount(shape.rates.layers, shape.nLayer);
    const keepFirst = Math.floor(keep[0] * layers);
    return {
      ...shape,
      nInner: blocks * shape.neuronBlock,
      keepFirst,
      keepLast: Math.floor(keep[1] * (layers - keepFirst)),
    };
  });

const keys = fc.record({ seed: fc.maxSafeInteger(), step: fc.nat(), group: fc.nat(1000) });

describe('sampleSubnetwork', () => {
  test('draws exact counts, valid lists, kept layers and whole blocks', () => {
    fc.assert(
      fc.property(configs, keys, (config, drawKey) => {
        const subnetwork = sampleSubnetwork(config, drawKey);
        validateSubnetwork(config, subnetwork);
        const counts = activeCounts(config);
        const active = resolveSubnetwork(config, subnetwork);
        expect(active.length).toBe(counts.layers);
        for (const layer of active) {
          expect(layer.headCount).toBe(counts.heads);
          expect(layer.neuronCount).toBe(counts.neurons);
        }

        expect(subnetwork.layers === undefined).toBe(counts.layers === config.nLayer);
        expect(subnetwork.heads === undefined).toBe(counts.heads === config.nHead);
        expect(subnetwork.neurons === undefined).toBe(counts.neurons === config.nInner);

        const { keepFirst = 0, keepLast = 0, neuronBlock = 1, nLayer } = config;
        const layers = active.map(({ layer }) => layer);
        for (let i = 0; i < keepFirst; i++) expect(layers).toContain(i);
        for (let i = 0; i < keepLast; i++) expect(layers).toContain(nLayer - 1 - i);
        for (const neurons of subnetwork.neurons ?? []) {
          for (let i = 0; i < neurons!.length; i++) {
            expect(neurons![i]! % neuronBlock).toBe(i % neuronBlock);
          }
        }
        expect(sampleSubnetwork(config, drawKey)).toEqual(subnetwork);
      }),
      { numRuns: 300 },
    );
  });

  test('rate 1 leaves every list out', () => {
    expect(sampleSubnetwork({ ...half, rates: { heads: 1, neurons: 1, layers: 1 } }, key)).toEqual({});
    expect(Object.keys(sampleSubnetwork({ ...half, rates: { heads: 0.5, neurons: 1, layers: 1 } }, key))).toEqual([
      'heads',
    ]);
  });

  test("a layer's draw does not depend on which layers or how much of the rest is active", () => {
    const few = sampleSubnetwork(half, key);
    const all = sampleSubnetwork({ ...half, rates: { ...half.rates, layers: 1 } }, key);
    const headsOnly = sampleSubnetwork({ ...half, rates: { heads: 0.5, neurons: 1, layers: 1 } }, key);
    few.layers!.forEach((layer, i) => {
      expect(few.heads![i]).toEqual(all.heads![layer]);
      expect(few.neurons![i]).toEqual(all.neurons![layer]);
      expect(few.heads![i]).toEqual(headsOnly.heads![layer]);
    });
  });

  test('seed, step and group each change the draw', () => {
    const draws = [key, { ...key, seed: 2 }, { ...key, step: 1 }, { ...key, group: 1 }];
    expect(new Set(draws.map((drawKey) => JSON.stringify(sampleSubnetwork(half, drawKey)))).size).toBe(4);
  });

  test('stays the same between versions', () => {
    // A resumed run draws the rest of its subnetworks with a newer burgeon: a change here is a breaking change.
    // Both sides of one half: a list is drawn as the smaller of itself and its complement.
    const drawn = [0.5, 0.75].map((rate) => {
      const config = { nLayer: 6, nHead: 4, nInner: 8, rates: { heads: rate, neurons: rate, layers: 0.5 } };
      const { layers, heads, neurons } = sampleSubnetwork(config, { seed: 1337, step: 100, group: 3 });
      return { layers: layers?.join(), heads: heads?.map(String), neurons: neurons?.map(String) };
    });
    expect(drawn).toMatchInlineSnapshot(`
      [
        {
          "heads": [
            "0,1",
            "1,2",
            "0,1",
          ],
          "layers": "0,3,5",
          "neurons": [
            "0,2,3,6",
            "1,2,5,7",
            "0,1,3,5",
          ],
        },
        {
          "heads": [
            "0,1,3",
            "0,2,3",
            "1,2,3",
          ],
          "layers": "0,3,5",
          "neurons": [
            "0,1,4,5,6,7",
            "0,1,2,3,4,5",
            "0,1,2,4,5,6",
          ],
        },
      ]
    `);
  });
});

/** Chi-square statistic of observed counts against equal ones. */
function chiSquare(counts: Iterable<number>, cells: number): number {
  const observed = [...counts];
  const expected = observed.reduce((sum, count) => sum + count, 0) / cells;
  const seen = observed.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return seen + (cells - observed.length) * expected;
}

/** How often each text comes up over `draws` draws; each draw's step is its number. */
function tally(draws: number, describeDraw: (step: number) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (let step = 0; step < draws; step++) {
    const text = describeDraw(step);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

describe('distribution', () => {
  // 5 layers, 5 heads and 5 neurons, 2 or 3 active: 10 equally likely subsets of each.
  const five = (rate: number, options: SamplerOptions = {}): SamplerConfig => ({
    nLayer: 5,
    nHead: 5,
    nInner: 5,
    rates: { heads: rate, neurons: rate, layers: rate },
    ...options,
  });
  const draw = (config: SamplerConfig, step: number, group = 0): Subnetwork =>
    sampleSubnetwork(config, { seed: 9, step, group });
  const tenCells = 27.88; // 99.9 % point, 9 degrees of freedom

  test.each([0.4, 0.6])('every subset is equally likely in every dimension, rate %d', (rate) => {
    for (const dimension of ['layers', 'heads', 'neurons'] as const) {
      const counts = tally(10_000, (step) => {
        const lists = draw(five(rate), step)[dimension]!;
        return lists instanceof Int32Array ? lists.join() : lists[1]!.join();
      });
      expect(chiSquare(counts.values(), 10)).toBeLessThan(tenCells);
    }
  });

  test('layers between the kept ones are equally likely', () => {
    // Layers 0 and 4 kept; one of 1, 2, 3.
    const counts = tally(6000, (step) => draw(five(0.6, { keepFirst: 1, keepLast: 1 }), step).layers!.join());
    expect([...counts.keys()].sort()).toEqual(['0,1,4', '0,2,4', '0,3,4']);
    expect(chiSquare(counts.values(), 3)).toBeLessThan(13.82); // 2 degrees of freedom
  });

  test.each<[string, (step: number) => [Int32Array, Int32Array]]>([
    ['groups', (step) => [draw(five(0.4), step, 0).heads![0]!, draw(five(0.4), step, 1).heads![0]!]],
    ['consecutive steps', (step) => [draw(five(0.4), step).layers!, draw(five(0.4), step + 1).layers!]],
    ['layers', (step) => [draw(five(0.4), step).heads![0]!, draw(five(0.4), step).heads![1]!]],
    ['dimensions', (step) => [draw(five(0.4), step).heads![0]!, draw(five(0.4), step).neurons![0]!]],
  ])('draws of different %s are independent', (_, pair) => {
    // Joint counts of two draws of 10 subsets each: 100 cells.
    const counts = tally(20_000, (step) => pair(step).map(String).join(' | '));
    expect(chiSquare(counts.values(), 100)).toBeLessThan(148.23); // 99.9 % point, 99 degrees of freedom
  });

  test('a branch scaled by the true ratio is unbiased', () => {
    // Each of 7 neurons adds its own value; 3 are active (rate 0.4: 2.8 rounds to 3), so the scale is 7 / 3, not 1 / 0.4.
    const config = { ...five(1), nInner: 7, rates: { heads: 1, neurons: 0.4, layers: 1 } };
    const contributions = [1, -2, 4, 0.5, 8, -16, 32];
    const draws = 20_000;
    const sums: number[] = [];
    for (let step = 0; step < draws; step++) {
      const active = draw(config, step).neurons![0]!;
      sums.push((7 / active.length) * active.reduce((sum, neuron) => sum + contributions[neuron]!, 0));
    }
    const mean = sums.reduce((sum, value) => sum + value, 0) / draws;
    const variance = sums.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws;
    const full = contributions.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(mean - full)).toBeLessThan(4 * Math.sqrt(variance / draws));
  });
});

describe('errors', () => {
  test.each<[string, Partial<SamplerConfig>]>([
    ['neuronMultiple: expected an integer from 1 to 1048576, received 0', { neuronMultiple: 0 }],
    ['neuronBlock: expected an integer from 1 to 1048576, received 1.5', { neuronBlock: 1.5 }],
    ['keepFirst: expected an integer from 0 to 1024, received -1', { keepFirst: -1 }],
    ['neuronBlock: expected a divisor of the 3072 MLP neurons, received 5', { neuronBlock: 5 }],
    [
      'keepFirst + keepLast: expected at most the 6 of 12 layers that are active at layer rate 0.5, received 4 + 3',
      { keepFirst: 4, keepLast: 3 },
    ],
    ['rates.heads: expected a number above 0 and at most 1, received 0', { rates: { ...half.rates, heads: 0 } }],
    [
      'rates.layers: expected a number above 0 and at most 1, received NaN',
      { rates: { ...half.rates, layers: Number.NaN } },
    ],
    ['rates.heads: expected a number above 0 and at most 1, received nothing', { rates: undefined as never }],
    ['choose: expected an object of heads, neurons and layers, each uniform or first', { choose: 'first' as never }],
    ['received {"layers":"frist"}', { choose: { layers: 'frist' as never } }],
    ['rescale: expected true or false, received "no"', { rescale: 'no' as never }],
    ['headSampling: expected group or query, received "head"', { headSampling: 'head' as never }],
    ['layerScale: expected none or inverse, received "inverted"', { layerScale: 'inverted' as never }],
    ['nLayer: expected an integer from 1 to 1024, received nothing', { nLayer: undefined as never }],
    ['nKvHead: expected a divisor of the 12 query heads, received 5', { nKvHead: 5 }],
  ])('%s', (message, change) => {
    const sample = () => sampleSubnetwork({ ...half, ...change }, key);
    expect(sample).toThrow(message);
    expect(sample).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
  });
});
