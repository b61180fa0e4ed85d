import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearDuplicateFilter } from '../../../lib/prepare/near-duplicates/filter.ts';
import { FingerprintMap } from '../../../lib/prepare/near-duplicates/fingerprint-map.ts';

/** What documents repeat, judged in order; undefined for those kept. Their numbers are those of their places. */
function repetitions(documents: string[], threshold?: number) {
  const filter = new NearDuplicateFilter(threshold);
  return documents.map((text, index) => {
    const document = filter.document({ file: 'all.jsonl', number: index + 1 });
    document.add(text);
    return document.end();
  });
}

/** True for those dropped. */
function judge(documents: string[], threshold?: number): boolean[] {
  return repetitions(documents, threshold).map((repetition) => repetition !== undefined);
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
        const whole = filter.document({ file: 'whole.txt', number: 1 });
        whole.add(text);
        expect(whole.end()).toBeUndefined();
        const inPieces = filter.document({ file: 'pieces.txt', number: 1 });
        let start = 0;
        for (const length of lengths) {
          inPieces.add(text.slice(start, start + length));
          start += length;
        }
        inPieces.add(text.slice(start));
        expect(inPieces.end()).toEqual({
          file: 'pieces.txt',
          number: 1,
          begins: expect.stringMatching(/^w7x0 .{54}…$/),
          repeated: 1,
          repeats: expect.stringMatching(/^w7x\d+ /),
          like: { file: 'whole.txt', number: 1, begins: expect.stringMatching(/^w7x0 .{54}…$/), share: 1 },
        });
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

describe('what a dropped document repeats', () => {
  const [a, b, c] = [words(1, 600), words(2, 200), words(3, 200)];

  it('is the kept document that has most of it', () => {
    const [, , , bundle] = repetitions([b, a, c, `${b}\n${a}`]);
    expect(bundle).toMatchObject({ number: 4, like: { number: 2, begins: expect.stringMatching(/^w1x0 /) } });
    expect(bundle!.repeated).toBeGreaterThan(0.95);
    expect(bundle!.like.share).toBeGreaterThan(0.6);
    expect(bundle!.like.share).toBeLessThan(0.8);
  });

  it('is told with the first words that are repeated, and the first that are new', () => {
    const short = (letter: string) => Array.from({ length: 99 }, (_, i) => `${letter}${i}`).join(' ');
    const [one, more] = [short('a'), `${short('a')} and this is only in the later one ${short('b')}`];
    const [, later] = repetitions([`${one} ${short('b')}`, more]);
    expect(one).toContain(later!.repeats);
    expect(more).toContain(later!.differs);
    expect(later!.differs).toMatch(/\b(and|this|is|only|in|the|later|one)\b/);
    expect(repetitions([one, one])[1]).toMatchObject({ repeated: 1, differs: undefined });
    // As wide as they are, passages are read where they stand.
    const ideographs = Array.from({ length: 300 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20000))).join(
      '',
    );
    const [, second] = repetitions([ideographs, `${ideographs}${'新的'.repeat(4)}`]);
    expect(second!.differs).toMatch(/^.{0,7}新/);
    expect(ideographs).toContain(second!.repeats);
  });

  it('is the earliest of several that have as much', () => {
    const [short, other] = ['one two three', 'four five six'];
    // Each is the only one to have its single fingerprint; the last has one of a kept document only.
    expect(repetitions([short, other, other, short]).slice(2)).toMatchObject([
      { number: 3, repeated: 1, like: { number: 2, share: 1 } },
      { number: 4, repeated: 1, like: { number: 1, share: 1 } },
    ]);
  });

  it('is never a document that was dropped', () => {
    const numbers = repetitions([a, `${a} ${b.slice(0, 50)}`, `${a} ${b.slice(0, 50)}`]).map(
      (found) => found?.like.number,
    );
    expect(numbers).toEqual([undefined, 1, 1]);
  });

  it('counts only what is repeated', () => {
    const [, half] = repetitions([a, `${a} ${words(4, 600)}`]);
    expect(half!.repeated).toBeGreaterThan(0.4);
    expect(half!.repeated).toBeLessThan(0.6);
    expect(half!.like.share).toBe(half!.repeated);
  });

  it('shows the first words, on one line, however much space comes first', () => {
    const filter = new NearDuplicateFilter();
    const pieces = ['\n'.repeat(1000), '\t\u0007 ', 'two\r\n\twords'];
    const documents = [1, 2].map((number) => {
      const document = filter.document({ file: 'a.txt', number });
      for (const piece of pieces) document.add(piece);
      return document.end();
    });
    expect(documents[1]).toMatchObject({ begins: 'two words', like: { begins: 'two words' } });
    const [, clown] = repetitions(['🤡'.repeat(100), '🤡'.repeat(100)]);
    expect(clown!.begins).toBe(`${'🤡'.repeat(59)}…`);
  });
});

describe('FingerprintMap', () => {
  it('is a map that keeps the first value', () => {
    const key = fc.oneof(fc.integer({ min: 1, max: 2 ** 52 }), fc.integer({ min: 1, max: 50 }));
    const entry = fc.tuple(key, fc.nat({ max: 2 ** 32 - 1 }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 300 }), fc.array(key), (added, others) => {
        const map = new FingerprintMap();
        const expected = new Map<number, number>();
        for (const [fingerprint, value] of added) {
          map.add(fingerprint, value);
          if (!expected.has(fingerprint)) expected.set(fingerprint, value);
        }
        const visited = new Map<number, number>();
        map.forEach((fingerprint, value) => {
          expect(visited.has(fingerprint)).toBe(false);
          visited.set(fingerprint, value);
        });
        expect(visited).toEqual(expected);
        expect(map.size).toBe(expected.size);
        for (const fingerprint of others) expect(map.get(fingerprint)).toBe(expected.get(fingerprint));
      }),
    );
  });
});
