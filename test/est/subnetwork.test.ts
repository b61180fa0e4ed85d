// Reading and checking subnetworks: what absent lists mean, and one error per rule.

import { describe, expect, test } from 'vitest';
import { resolveSubnetwork, type Subnetwork, validateSubnetwork } from '../../lib/est/subnetwork.ts';

const model = { nLayer: 3, nHead: 4, nInner: 8 };
const list = (...indices: number[]) => Int32Array.from(indices);

describe('resolveSubnetwork', () => {
  test('nothing given is the full model', () => {
    const full = [0, 1, 2].map((layer) => ({ layer, headCount: 4, kvHeadCount: 4, neuronCount: 8 }));
    expect(resolveSubnetwork(model)).toEqual(full);
    expect(resolveSubnetwork(model, {})).toEqual(full);
  });

  test('lists belong to active layers, in order', () => {
    const subnetwork = { layers: list(0, 2), heads: [list(1), undefined], neurons: [undefined, list(0, 3, 7)] };
    expect(resolveSubnetwork(model, subnetwork)).toEqual([
      { layer: 0, headCount: 1, kvHeadCount: 1, neuronCount: 8 },
      { layer: 2, headCount: 4, kvHeadCount: 4, neuronCount: 3 },
    ]);
  });

  test('without layers, lists belong to all layers', () => {
    expect(resolveSubnetwork(model, { heads: [list(0), list(0, 1), list(1, 2, 3)] })).toEqual([
      { layer: 0, headCount: 1, kvHeadCount: 1, neuronCount: 8 },
      { layer: 1, headCount: 2, kvHeadCount: 2, neuronCount: 8 },
      { layer: 2, headCount: 3, kvHeadCount: 3, neuronCount: 8 },
    ]);
  });
});

describe('validateSubnetwork', () => {
  test.each<[string, Subnetwork]>([
    ['the full model', {}],
    ['some layers', { layers: list(0, 2) }],
    ['heads and neurons', { layers: list(1), heads: [list(0, 3)], neurons: [list(7)] }],
    ['undefined entries', { heads: [undefined, list(2), undefined] }],
  ])('accepts %s', (_, subnetwork) => {
    expect(() => validateSubnetwork(model, subnetwork)).not.toThrow();
  });

  test.each<[string, unknown]>([
    ['subnetwork.layers: expected at least one index, received an empty list', { layers: list() }],
    ['subnetwork.layers: expected an Int32Array, received a plain array', { layers: [0, 1] }],
    ['subnetwork.layers[1]: expected an index from 0 to 2, received 3', { layers: list(0, 3) }],
    ['subnetwork.layers[1]: expected strictly ascending indices, received 0 after 1', { layers: list(1, 0) }],
    [
      'subnetwork.heads: expected an array with one entry per active layer (3), received length 2',
      { heads: [list(0), list(1)] },
    ],
    [
      'subnetwork.neurons: expected an array with one entry per active layer (1), received length 2',
      { layers: list(1), neurons: [list(0), list(1)] },
    ],
    [
      'subnetwork.heads: expected an array with one entry per active layer (3), received object',
      { heads: list(0, 1, 2) },
    ],
    ['subnetwork.heads[0][1]: expected an index from 0 to 3, received 4', { layers: list(1), heads: [list(0, 4)] }],
    ['subnetwork.heads[0][0]: expected an index from 0 to 3, received -1', { layers: list(1), heads: [list(-1)] }],
    [
      'subnetwork.neurons[1][2]: expected strictly ascending indices, received 5 after 5',
      { layers: list(0, 1), neurons: [undefined, list(1, 5, 5)] },
    ],
    ['subnetwork: expected heads or queryHeads, received both', { heads: [list(1)], queryHeads: [list(1)] }],
    ['subnetwork.neurons[2]: expected at least one index', { neurons: [undefined, undefined, list()] }],
  ])('%s', (message, subnetwork) => {
    const check = () => validateSubnetwork(model, subnetwork as Subnetwork);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_SHAPE' }));
  });
});
