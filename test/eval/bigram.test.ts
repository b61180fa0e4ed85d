import { describe, expect, it } from 'vitest';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import { BigramModel } from '../../lib/eval/bigram.ts';
import { range, useTempDirectory } from '../data/temp-directory.ts';

const temp = useTempDirectory();

const source = temp.openTokens;

const failure = (code: string, message: RegExp) =>
  expect.objectContaining({ code: `ERR_BURGEON_${code}`, message: expect.stringMatching(message) });

describe('BigramModel', () => {
  it('counts and smooths as worked out by hand', async () => {
    // Pairs: 0 1, 1 0, 0 1, 1 1 and, in the second file, 2 0; none across files, which a run of earlier versions keeps apart.
    const tokens = (await source([0, 1, 0, 1, 1], [2, 0])).with('within');
    const model = await BigramModel.fit(tokens, { vocabSize: 4 });
    expect(model.pairCount).toBe(5);
    const a = model.alpha;
    // Second tokens: 0 twice, 1 three times; unigram (n + 1) / (5 + 4).
    expect(model.probability(0, 1)).toBeCloseTo((2 + (a * 4) / 9) / (2 + a), 12);
    expect(model.probability(0, 2)).toBeCloseTo((0 + (a * 1) / 9) / (2 + a), 12);
    expect(model.probability(1, 1)).toBeCloseTo((1 + (a * 4) / 9) / (2 + a), 12);
    // A context never seen: the unigram.
    expect(model.probability(3, 0)).toBeCloseTo(3 / 9, 12);
    const batches = fixedWindows(await source([0, 1, 1, 3]), 8, 'all');
    const expected = [model.probability(0, 1), model.probability(1, 1), model.probability(1, 3)];
    const nats = -expected.reduce((sum, p) => sum + Math.log(p), 0) / 3;
    expect(await model.loss(batches)).toBeCloseTo(nats, 12);
  });

  it('counts pairs across files', async () => {
    const model = await BigramModel.fit(await source([0, 1], [2], [0]), { vocabSize: 3 });
    expect(model.pairCount).toBe(3);
    expect(model.probability(1, 2)).toBeGreaterThan(model.probability(1, 1));
  });

  it('is a distribution for every context, dense or sparse', async () => {
    const text = range(3000).map((i) => (i * i + 3 * i) % 37);
    for (const vocabSize of [40, 2000]) {
      const model = await BigramModel.fit(await source(text), { vocabSize });
      for (const context of [0, 1, 36, vocabSize - 1]) {
        const total = range(vocabSize).reduce((sum, next) => sum + model.probability(context, next), 0);
        expect(total).toBeCloseTo(1, 10);
      }
    }
  });

  it('gives the same with a dense table and a map', async () => {
    const text = range(3000).map((i) => (i * i + 3 * i) % 1024);
    const tokens = await source(text);
    const dense = await BigramModel.fit(tokens, { vocabSize: 1024 });
    const sparse = await BigramModel.fit(tokens, { vocabSize: 1025 });
    expect(sparse.alpha).toBe(dense.alpha);
    for (const [a, b] of [
      [4, 10],
      [10, 18],
      [0, 5],
    ] as const) {
      // One more token changes the unigram a little, and nothing else.
      expect(sparse.probability(a, b)).toBeCloseTo(dense.probability(a, b), 3);
    }
  });

  it('learns a sequence in which the last token tells the next, and ignores it in noise', async () => {
    const cycle = await source(range(5000).map((i) => i % 50));
    const model = await BigramModel.fit(cycle, { vocabSize: 50 });
    expect(model.alpha).toBe(1);
    expect(await model.loss(fixedWindows(cycle, 64, 4))).toBeLessThan(0.02);

    // A linear congruential generator's high bits: no next token is likelier than another.
    let state = 1;
    const noise = range(5000).map(() => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 27;
    });
    const noisy = await BigramModel.fit(await source(noise.slice(0, 4000)), { vocabSize: 32 });
    expect(noisy.alpha).toBeGreaterThanOrEqual(256);
    const loss = await noisy.loss(fixedWindows(await source(noise.slice(4000)), 64, 'all'));
    expect(loss).toBeGreaterThan(Math.log(32) - 0.02);
    expect(loss).toBeLessThan(Math.log(32) + 0.1);
  });

  it('counts no more pairs than asked', async () => {
    const tokens = await source(range(1000).map((i) => i % 7));
    expect((await BigramModel.fit(tokens, { vocabSize: 7, maxTokens: 100 })).pairCount).toBe(100);
    expect((await BigramModel.fit(tokens, { vocabSize: 7, maxTokens: 1000 })).pairCount).toBe(999);
    expect((await BigramModel.fit(tokens, { vocabSize: 7 })).pairCount).toBe(999);
  });

  it('reports bad sizes, foreign tokens and missing data', async () => {
    const tokens = await source([0, 1, 5]);
    await expect(BigramModel.fit(tokens, { vocabSize: 0 })).rejects.toThrow(failure('CONFIG', /vocabSize/));
    await expect(BigramModel.fit(tokens, { vocabSize: 9, maxTokens: -1 })).rejects.toThrow(
      failure('CONFIG', /maxTokens/),
    );
    await expect(BigramModel.fit(tokens, { vocabSize: 5 })).rejects.toThrow(
      failure('DATA', /token 5: expected 0 to 4/),
    );
    await expect(BigramModel.fit(await source([0]), { vocabSize: 5 })).rejects.toThrow(failure('DATA', /found 1/));
    const model = await BigramModel.fit(await source([0, 1, 2]), { vocabSize: 3 });
    await expect(model.loss(fixedWindows(tokens, 2, 'all'))).rejects.toThrow(failure('DATA', /token 5/));
    await expect(model.loss((async function* () {})())).rejects.toThrow(failure('DATA', /at least one target/));
  });
});
