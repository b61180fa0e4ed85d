// The counting rule against hand-worked numbers, and the plan's sums against counting every step.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { allFlops, blockFlops, countFlops, countFlopsFromCounts } from '../../lib/est/flops.ts';
import { planSchedule, planTargetSaving } from '../../lib/est/plan.ts';
import { activeCounts, type SamplerOptions, sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Schedule, type StageConfig } from '../../lib/est/schedule.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';

const gpt2 = parseModelConfig('gpt2');
const long = { batchSize: 1, sequenceLength: 1024 };

// 2 layers, 3 heads of size 2, width 6, 10 neurons, 11 tokens in the vocabulary; 2 sequences of 4 tokens.
const small = parseModelConfig({ nLayer: 2, nHead: 3, nEmbd: 6, nInner: 10, contextLength: 4, vocabSize: 11 });
const shape = { batchSize: 2, sequenceLength: 4 };

describe('countFlops', () => {
  test('a small model by hand', () => {
    const count = countFlops(small, shape);
    expect(count.forward).toEqual({
      qkv: 2 * (2 * 8 * 6 * 18), // 8 tokens through a 6 x 18 matrix, per layer
      scores: 2 * (2 * 2 * (2 * 10) * 6), // two products over 2 * 10 pairs, 3 heads of 2
      outProjection: 2 * (2 * 8 * 6 * 6),
      mlp: 2 * (2 * 2 * 8 * 6 * 10),
      head: 2 * 8 * 6 * 11,
    });
    expect(count.backward.mlp).toBe(2 * count.forward.mlp);
    expect(allFlops(count)).toBe(3 * allFlops(count.forward));
    expect(allFlops(count)).toBe(blockFlops(count) + 3 * count.forward.head);
    expect(blockFlops(count.forward)).toBe(3456 + 960 + 1152 + 3840);
  });

  test('a subnetwork by hand', () => {
    const subnetwork = { layers: Int32Array.of(1), heads: [Int32Array.of(0, 2)], neurons: [Int32Array.of(1, 3, 5)] };
    expect(countFlops(small, { ...shape, subnetwork, backward: false })).toEqual({
      forward: {
        qkv: 2 * 8 * 6 * 12,
        scores: 2 * 2 * (2 * 10) * 4,
        outProjection: 2 * 8 * 4 * 6,
        mlp: 2 * 2 * 8 * 6 * 3,
        head: 2 * 8 * 6 * 11,
      },
      backward: { qkv: 0, scores: 0, outProjection: 0, mlp: 0, head: 0 },
    });
  });

  test('grouped queries and a gate by hand', () => {
    // 4 query heads of 2 to 2 key and value heads, width 8, 10 neurons of three matrices.
    const llama = parseModelConfig({
      architecture: 'llama',
      nLayer: 2,
      nHead: 4,
      nKvHead: 2,
      headSize: 6,
      nEmbd: 8,
      nInner: 10,
      contextLength: 4,
      vocabSize: 11,
    });
    const forward = (subnetwork: Subnetwork = {}) =>
      countFlops(llama, { ...shape, subnetwork, backward: false }).forward;
    expect(forward()).toEqual({
      qkv: 2 * (2 * 8 * 8 * (24 + 12 + 12)),
      scores: 2 * (2 * 2 * (2 * 10) * 24),
      outProjection: 2 * (2 * 8 * 24 * 8),
      mlp: 2 * (3 * 2 * 8 * 8 * 10),
      head: 2 * 8 * 8 * 11,
    });
    const layers = Int32Array.of(1);
    const group = forward({ layers, heads: [Int32Array.of(1)] });
    expect(group).toMatchObject({ qkv: 2 * 8 * 8 * (12 + 6 + 6), scores: 2 * 2 * (2 * 10) * 12 });
    const queries = forward({ layers, queryHeads: [Int32Array.of(0, 3)] });
    expect(queries).toMatchObject({ qkv: 2 * 8 * 8 * (12 + 12 + 12), scores: 2 * 2 * (2 * 10) * 12 });
  });

  test('EST saves 25 % of the block FLOPs of TinyLlama with its schedule', () => {
    const model = parseModelConfig('tinyllama-1.1b');
    const plan = planSchedule(model, new Schedule('est-tinyllama', 60_000), {
      sequencesPerStep: 1,
      sequenceLength: 2048,
    });
    expect(plan.blockSaving).toBeCloseTo(0.25, 10);
    expect(plan.headShare).toBeCloseTo(0.058, 3);
    expect(plan.allSaving).toBeCloseTo(0.25 * (1 - plan.headShare), 10);
  });

  test('layers with different counts add up', () => {
    const uneven = { heads: [Int32Array.of(0), Int32Array.of(0, 1, 2)], neurons: [Int32Array.of(0, 1), undefined] };
    const single = (heads: number, neurons: number) =>
      blockFlops(countFlopsFromCounts(small, { ...shape, layers: 1, heads, neurons }));
    expect(blockFlops(countFlops(small, { ...shape, subnetwork: uneven }))).toBe(single(1, 2) + single(3, 10));
  });

  test.each([
    ['gpt2', 0.29],
    ['gpt2-medium', 0.136],
    ['gpt2-xl', 0.049],
  ])('the head takes %s a share of %d at T 1024', (preset, expected) => {
    const { forward } = countFlops(parseModelConfig(preset), long);
    expect(forward.head / allFlops(forward)).toBeCloseTo(expected, 3);
  });

  test('counting a drawn subnetwork equals counting its counts', () => {
    const rate = fc.double({ min: 0.05, max: 1, noNaN: true });
    fc.assert(
      fc.property(rate, rate, rate, fc.nat(), (heads, neurons, layers, step) => {
        const config = { ...gpt2, rates: { heads, neurons, layers } };
        const subnetwork = sampleSubnetwork(config, { seed: 1, step, group: 0 });
        expect(countFlops(gpt2, { ...long, subnetwork })).toEqual(
          countFlopsFromCounts(gpt2, { ...long, ...activeCounts(config) }),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('planSchedule', () => {
  const options = { sequencesPerStep: 480, sequenceLength: 1024 };

  test('est-gpt2 on 124M saves 26.67 % of block FLOPs and 18.9 % of all', () => {
    const plan = planSchedule(gpt2, new Schedule('est-gpt2', 150_000), options);
    expect(plan.blockSaving).toBeCloseTo(4 / 15, 12);
    expect(plan.allSaving).toBeCloseTo(0.189, 3);
    expect(plan.headShare).toBeCloseTo(0.29, 3);
    expect(plan.allSaving).toBeCloseTo(plan.blockSaving * (1 - plan.headShare), 12);
    expect(plan.stages.map(({ steps, blockFlopRatio }) => [steps, blockFlopRatio])).toEqual([
      [20_000, 0.25],
      [50_000, 0.5],
      [80_000, 1],
    ]);
    expect(plan.stages[0]!.countsFrom).toEqual({ layers: 6, heads: 6, neurons: 1536 });
  });

  test('est-tinyllama saves 25 % of block FLOPs', () => {
    expect(planSchedule(gpt2, new Schedule('est-tinyllama', 60), options).blockSaving).toBeCloseTo(0.25, 12);
  });

  test('dense saves nothing', () => {
    const plan = planSchedule(gpt2, new Schedule('dense', 10), options);
    expect([plan.blockSaving, plan.allSaving]).toEqual([0, 0]);
    expect(plan.allFlops).toBe(10 * allFlops(countFlops(gpt2, { batchSize: 480, sequenceLength: 1024 })));
  });

  test.each<[string, StageConfig[], SamplerOptions]>([
    [
      'constant stages',
      [{ endStep: 7, heads: 0.3, layers: 0.7 }, { endStep: 30, neurons: 0.4 }, {}],
      { neuronMultiple: 64 },
    ],
    ['ramps', [{ endStep: 11, layers: [0.2, 1], heads: [0.5, 1] }, { neurons: [0.1, 1] }], { keepFirst: 1 }],
    ['a stage rounded away', [{ endFraction: 0.001, layers: 0.5 }, {}], {}],
  ])('sums %s exactly', (_, stages, samplerOptions) => {
    const schedule = new Schedule(stages, 40);
    const plan = planSchedule(gpt2, schedule, { ...options, samplerOptions });
    let block = 0;
    let all = 0;
    for (let step = 0; step < 40; step++) {
      const config = { ...gpt2, ...samplerOptions, rates: schedule.at(step).rates };
      const subnetwork = sampleSubnetwork(config, { seed: 1, step, group: 0 });
      const count = countFlops(gpt2, { batchSize: 480, sequenceLength: 1024, subnetwork });
      block += blockFlops(count);
      all += allFlops(count);
    }
    expect(plan.blockFlops / block).toBeCloseTo(1, 12);
    expect(plan.allFlops / all).toBeCloseTo(1, 12);
    expect(plan.stages.reduce((sum, stage) => sum + stage.steps, 0)).toBe(40);
    for (const stage of plan.stages) expect(stage.blockFlopRatio).toBeLessThanOrEqual(1);
  });

  test('reports the counts at both ends of a ramp', () => {
    const [stage] = planSchedule(gpt2, new Schedule([{ layers: [0.5, 1] }], 10), options).stages;
    expect([stage!.countsFrom.layers, stage!.countsTo.layers]).toEqual([6, 12]);
  });

  test('rejects sampler options that do not fit', () => {
    expect(() =>
      planSchedule(gpt2, new Schedule('est-gpt2', 100), { ...options, samplerOptions: { keepLast: 7 } }),
    ).toThrow('keepFirst + keepLast: expected at most the 6 of 12 layers');
  });
});

test('planTargetSaving meets the target on models whose counts round', () => {
  const xl = parseModelConfig('gpt2-xl'); // 25 heads: half of them is 13
  const options = { sequencesPerStep: 8, sequenceLength: 1024 };
  for (const target of [0.05, 0.267, 0.5]) {
    const schedule = planTargetSaving(xl, target, 10_000, options);
    expect(planSchedule(xl, schedule, options).blockSaving).toBeCloseTo(target, 4);
  }
  expect(() => planTargetSaving(xl, 0.9, 1000, options)).toThrow('target saving: expected a share');
});
