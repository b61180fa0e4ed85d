// What a run has trained so far: by hand, and as the union of everything that is drawn.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWhole, partSize, partSubnetwork, samplerOf, trainedPart } from '../../lib/est/part.ts';
import { isNested, sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Schedule, type StageConfig } from '../../lib/est/schedule.ts';
import { resolveSubnetwork } from '../../lib/est/subnetwork.ts';

const model = { architecture: 'llama' as const, nLayer: 4, nHead: 8, nKvHead: 4, nEmbd: 32, nInner: 10 };
const list = (...units: number[]) => Int32Array.from(units);

describe('trained parts', () => {
  test('grow with the stages', () => {
    const schedule = new Schedule(
      [
        { endStep: 2, layers: 0.25, heads: 0.5, choose: 'first' },
        { endStep: 4, layers: 0.5, neurons: 0.5, choose: 'first' },
        { endStep: 6, layers: 0.5, neurons: 0.5, choose: { layers: 'first' } },
        {},
      ],
      8,
    );
    const at = (step: number) => trainedPart(model, schedule, {}, step);
    expect(at(0)).toEqual({ layers: 1, heads: [2, 0, 0, 0], neurons: [10, 0, 0, 0] });
    expect(at(1)).toEqual(at(0));
    expect(at(2)).toEqual({ layers: 2, heads: [4, 4, 0, 0], neurons: [10, 5, 0, 0] });
    // Neurons drawn uniformly: any of them.
    expect(at(5)).toEqual({ layers: 2, heads: [4, 4, 0, 0], neurons: [10, 10, 0, 0] });
    expect(isWhole(at(7), model)).toBe(true);
    expect(partSize(at(0), model)).toEqual({ layers: 1, heads: 4, kvHeads: 2, neurons: 10 });
  });

  test('are subnetworks that are not rescaled', () => {
    expect(partSubnetwork({ layers: 2, heads: [4, 2, 0, 0], neurons: [10, 10, 0, 0] }, model)).toEqual({
      layers: list(0, 1),
      heads: [list(0, 1, 2, 3), list(0, 1)],
      headScale: 1,
    });
    expect(partSubnetwork({ layers: 4, heads: [4, 4, 4, 4], neurons: [10, 10, 10, 10] }, model)).toBe(undefined);
  });

  test('a ramp of the first layers grows step by step', () => {
    const schedule = new Schedule([{ layers: [0.25, 1], choose: 'first' }], 4);
    expect([0, 1, 2, 3].map((step) => trainedPart(model, schedule, {}, step).layers)).toEqual([1, 2, 3, 4]);
  });

  test('hold everything that any step draws, and no more than can be drawn', () => {
    const rate = fc.oneof(fc.constantFrom(0.25, 0.5, 1), fc.double({ min: 0.01, max: 1, noNaN: true }));
    const stage: fc.Arbitrary<StageConfig> = fc.record({
      heads: rate,
      neurons: rate,
      layers: rate,
      choose: fc.record({
        heads: fc.constantFrom('first', 'uniform'),
        neurons: fc.constantFrom('first', 'uniform'),
        layers: fc.constantFrom('first', 'uniform'),
      }),
    });
    fc.assert(
      fc.property(fc.array(stage, { minLength: 1, maxLength: 4 }), (stages) => {
        const schedule = new Schedule(
          stages.map((each, i) => ({ ...each, endStep: 2 * (i + 1) })),
          2 * stages.length,
        );
        for (let step = 0; step < schedule.totalSteps; step++) {
          const part = trainedPart(model, schedule, {}, step);
          const sampler = samplerOf(model, {}, schedule.at(step));
          for (let group = 0; group < 3; group++) {
            const subnetwork = sampleSubnetwork(sampler, { seed: 1, step, group });
            for (const [i, { layer, kvHeadCount, neuronCount }] of resolveSubnetwork(model, subnetwork).entries()) {
              expect(layer).toBeLessThan(part.layers);
              expect(Math.max(kvHeadCount - 1, ...(subnetwork.heads?.[i] ?? []))).toBeLessThan(part.heads[layer]!);
              expect(Math.max(neuronCount - 1, ...(subnetwork.neurons?.[i] ?? []))).toBeLessThan(part.neurons[layer]!);
            }
            if (isNested(sampler))
              expect(subnetwork).toEqual(sampleSubnetwork(sampler, { seed: 9, step: 0, group: 0 }));
          }
        }
      }),
    );
  });
});

describe('parts that are none', () => {
  const heads = [4, 4, 0, 0];
  const neurons = [10, 5, 0, 0];
  test.each<[string, unknown]>([
    ['part: expected layers, heads and neurons, as trainedPart() gives them, received nothing', undefined],
    ['part.layers: expected an integer from 1 to 4, received 5', { layers: 5, heads, neurons }],
    ['part.layers: expected an integer from 1 to 4, received NaN', { layers: Number.NaN, heads, neurons }],
    [
      'part.heads: expected a list of 4 counts, one for each layer of the model, received 2',
      { layers: 2, heads: 2, neurons },
    ],
    [
      'part.heads: expected a list of 4 counts, one for each layer of the model, received 1',
      { layers: 2, heads: [4], neurons },
    ],
    ['part.neurons[2]: expected an integer from 1 to 10, received 0', { layers: 3, heads: [4, 4, 4, 0], neurons }],
    ['part.heads[1]: expected an integer from 1 to 4, received 9', { layers: 2, heads: [4, 9, 0, 0], neurons }],
  ])('%s', (message, part) => {
    expect(() => partSubnetwork(part as never, model)).toThrow(message);
  });

  test('of a step that is none', () => {
    const step = () => trainedPart(model, new Schedule('dense', 4), {}, Number.NaN);
    expect(step).toThrow('trained part: expected a whole step, received NaN');
  });
});
