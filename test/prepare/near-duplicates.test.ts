import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FingerprintSet } from '../../lib/prepare/fingerprint-set.ts';
import { NearDuplicateFilter } from '../../lib/prepare/near-duplicates.ts';

/** Judges documents in order; true for those dropped. */
function judge(documents: string[], threshold?: number): boolean[] {
  const filter = new NearDuplicateFilter(threshold);
  return documents.map((text) => {
    const document = filter.document();
    document.add(text);
    return document.isNearDuplicate();
  });
}

/** `count` words that no other call with another seed shares. */
function words(seed: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `w${seed}x${(i * 2654435761) >>> 0}`).join(' ');
}

const seeds = fc.uniqueArray(fc.nat({ max: 1000 }), { minLength: 3, maxLength: 6 });

describe('NearDuplicateFilter', () => {
  it('keeps unrelated documents', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 300 }), (ids, count) => {
        expect(judge(ids.map((id) => words(id, count)))).toEqual(ids.map(() => false));
      }),
    );
  });

  it('drops copies, of any length', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 300 }), ([a, b], count) => {
        const documents = [words(a!, count), words(b!, count), words(a!, count)];
        expect(judge(documents)).toEqual([false, false, true]);
      }),
    );
  });

  it('drops copies with other white space', () => {
    const text = words(1, 100);
    expect(judge([text, ` ${text.replaceAll(' ', '\r\n\t')}\n`])).toEqual([false, true]);
  });

  it('drops a passage of 15 words or more of a kept document', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.integer({ min: 15, max: 100 }), (start, count) => {
        const bundle = words(1, 400);
        const passage = bundle
          .split(' ')
          .slice(start, start + count)
          .join(' ');
        expect(judge([bundle, passage])).toEqual([false, true]);
      }),
    );
  });

  it('drops concatenations of kept documents', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 60, max: 300 }), (ids, count) => {
        const documents = ids.map((id) => words(id, count));
        expect(judge([...documents, documents.join('\n')])).toEqual([...ids.map(() => false), true]);
      }),
    );
  });

  it('keeps a document of which less than the threshold is repetition, drops one with more', () => {
    const known = words(1, 1000);
    const mostlyNew = `${words(2, 800)} ${known.split(' ').slice(0, 200).join(' ')}`;
    const mostlyKnown = `${words(3, 500)} ${known.split(' ').slice(300, 800).join(' ')}`;
    expect(judge([known, mostlyNew, mostlyKnown])).toEqual([false, false, true]);
    expect(judge([known, mostlyNew, mostlyKnown], 0.1)).toEqual([false, true, true]);
    expect(judge([known, mostlyNew, mostlyKnown], 0.7)).toEqual([false, false, false]);
  });

  it('compares with kept documents only', () => {
    const [a, b] = [words(1, 300), words(2, 100)];
    // The second is dropped because of the first; what is new in it may come again.
    expect(judge([a, `${a} ${b}`, b])).toEqual([false, true, false]);
  });

  it('does not depend on how the text comes in pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 20 }), (lengths) => {
        const text = words(7, 60);
        const filter = new NearDuplicateFilter();
        const whole = filter.document();
        whole.add(text);
        expect(whole.isNearDuplicate()).toBe(false);
        const inPieces = filter.document();
        let start = 0;
        for (const length of lengths) {
          inPieces.add(text.slice(start, start + length));
          start += length;
        }
        inPieces.add(text.slice(start));
        expect(inPieces.isNearDuplicate()).toBe(true);
      }),
    );
  });

  it('reads ideographs as words, as they come without spaces', () => {
    const character = (seed: number, i: number) => String.fromCharCode(0x4e00 + ((i * 7919 + seed * 104729) % 20000));
    const text = (seed: number, count: number) => Array.from({ length: count }, (_, i) => character(seed, i)).join('');
    const bundle = text(1, 300);
    expect(judge([bundle, bundle.slice(100, 200), text(2, 300)])).toEqual([false, true, false]);
  });

  it('keeps documents without words', () => {
    expect(judge(['', ' \n', ''])).toEqual([false, false, false]);
  });

  it.each([-0.1, 1.5, Number.NaN])('refuses the threshold %s', (threshold) => {
    expect(() => new NearDuplicateFilter(threshold)).toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
  });
});

describe('FingerprintSet', () => {
  it('is a set', () => {
    const number = fc.oneof(fc.integer({ min: 1, max: 2 ** 52 }), fc.integer({ min: 1, max: 50 }));
    fc.assert(
      fc.property(fc.array(number, { maxLength: 300 }), fc.array(number), (added, others) => {
        const set = new FingerprintSet();
        for (const value of added) set.add(value);
        const expected = new Set(added);
        const visited: number[] = [];
        set.forEach((value) => {
          visited.push(value);
        });
        expect(visited.sort((a, b) => a - b)).toEqual([...expected].sort((a, b) => a - b));
        expect(set.size).toBe(expected.size);
        for (const value of others) expect(set.has(value)).toBe(expected.has(value));
      }),
    );
  });
});
