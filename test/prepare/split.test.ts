import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseValidation, drawValidation } from '../../lib/prepare/split.ts';

const share = (sizes: number[], chosen: Uint8Array) => {
  const total = sizes.reduce((a, b) => a + b, 0);
  return sizes.reduce((sum, size, i) => sum + (chosen[i] ? size : 0), 0) / total;
};

describe('chooseValidation', () => {
  it('comes close to the fraction, given many documents', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 50, maxLength: 300 });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0.05, max: 0.5, noNaN: true }), (nBytes, fraction) => {
        const chosen = chooseValidation(nBytes, fraction);
        expect(chosen).toEqual(chooseValidation(nBytes, fraction));
        expect(Math.abs(share(nBytes, chosen) - fraction)).toBeLessThan(0.03);
      }),
    );
  });

  it('gives both sides a document', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (nBytes, fraction) => {
        const chosen = chooseValidation(nBytes, fraction);
        expect(new Set(chosen)).toEqual(new Set([1, 0]));
      }),
    );
  });

  it('splits 100 documents of the same size exactly, and not in a row', () => {
    const chosen = chooseValidation(new Array(100).fill(500), 0.1);
    expect(chosen.filter(Boolean)).toHaveLength(10);
    const places = [...chosen].flatMap((isChosen, i) => (isChosen ? [i] : []));
    expect(places.at(-1)! - places[0]!).toBeGreaterThan(30);
  });

  it('does not favour small documents', () => {
    // Small and large documents in turn: about as many of either kind.
    const sizes = Array.from({ length: 2000 }, (_, i) => (i % 2 ? 1000 : 10));
    const chosen = chooseValidation(sizes, 0.1);
    const small = chosen.filter((isChosen, i) => isChosen && i % 2 === 0).length;
    const large = chosen.filter((isChosen, i) => isChosen && i % 2 === 1).length;
    expect(Math.abs(share(sizes, chosen) - 0.1)).toBeLessThan(0.003);
    expect(small / large).toBeGreaterThan(0.7);
    expect(small / large).toBeLessThan(1.4);
  });

  it('takes the smaller of two very unequal documents', () => {
    expect(chooseValidation([1000, 10], 0.1)).toEqual(Uint8Array.of(0, 1));
    expect(chooseValidation([10, 1000], 0.1)).toEqual(Uint8Array.of(1, 0));
  });
});

describe('drawValidation', () => {
  it('comes close to the fraction, and decides for each document by its number', () => {
    const chosen = Array.from({ length: 20_000 }, (_, document) => drawValidation(document, 0.05));
    expect(Math.abs(chosen.filter(Boolean).length / 20_000 - 0.05)).toBeLessThan(0.005);
    expect(chosen[777]).toBe(drawValidation(777, 0.05));
    expect(new Set(chosen.slice(0, 1000))).toEqual(new Set([true, false]));
  });
});
