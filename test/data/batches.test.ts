import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchLoader } from '../../lib/data/batch-loader.ts';
import { type FixedBatch, fixedWindows } from '../../lib/data/fixed-windows.ts';
import { TokenSource } from '../../lib/data/token-source.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

/** A source whose files hold consecutive numbers: file 0 begins at 0, file 1 at 1000, ... */
function source(...lengths: number[]): Promise<TokenSource> {
  return temp.openTokens(...lengths.map((n, i) => range(n, 1000 * i)));
}

const failure = (code: string, message: RegExp) =>
  expect.objectContaining({ code: `ERR_BURGEON_${code}`, message: expect.stringMatching(message) });

describe('TokenSource', () => {
  it('counts the windows of all files as one stream', async () => {
    const tokens = await source(9, 8, 1, 5);
    expect(tokens.tokenCount).toBe(23);
    expect(tokens.windowCount(4)).toBe(5);
    expect(tokens.windowCount(8)).toBe(2);
    expect(tokens.windowCount(22)).toBe(1);
    expect(tokens.windowCount(23)).toBe(0);
  });

  it('reads windows that start at multiples of T and go on from file to file', async () => {
    const tokens = await source(9, 8, 1, 5);
    const stream = [...range(9), ...range(8, 1000), 2000, ...range(5, 3000)];
    const windows = await Promise.all(range(5).map((i) => tokens.readWindow(4, i)));
    expect(windows.map((window) => [...window])).toEqual(range(5).map((i) => stream.slice(4 * i, 4 * i + 5)));
    await expect(tokens.readWindow(4, 5)).rejects.toThrow(failure('DATA', /window 5: expected a number below 5/));
  });

  it('uses nearly all tokens of many short shards', async () => {
    const shards = (n: number, tokens: number) => range(n).map(() => range(tokens));
    const tokens = await temp.openTokens(...shards(200, 30), range(500));
    expect(32 * tokens.windowCount(32)).toBe(6496);
    expect(32 * tokens.with('within').windowCount(32)).toBe(480);
    expect(32 * (await temp.openTokens(...shards(100, 2))).windowCount(32)).toBe(192);
    expect((await temp.openTokens(...shards(34, 1))).windowCount(32)).toBe(1);
  });

  it('reads any range of the stream, with files that are empty or have one token', async () => {
    const lengths = [3, 1, 1, 7, 2];
    const tokens = await source(...lengths);
    const stream = lengths.flatMap((n, file) => range(n, 1000 * file));
    for (let start = 0; start <= stream.length; start++) {
      for (let end = start; end <= stream.length; end++) {
        expect([...(await tokens.readTokens(start, end - start))]).toEqual(stream.slice(start, end));
      }
    }
    for (const [start, count] of [
      [-1, 2],
      [0, 15],
      [0.5, 1],
      [3, -1],
    ] as const) {
      await expect(tokens.readTokens(start, count)).rejects.toThrow(failure('DATA', /range within the 14 tokens of 5/));
    }
  });

  it('keeps windows within files for runs that began so', async () => {
    const tokens = (await source(9, 8, 1, 5)).with('within');
    expect([4, 8, 100].map((T) => tokens.windowCount(T))).toEqual([2 + 1 + 0 + 1, 1, 0]);
    const windows = await Promise.all(range(4).map((i) => tokens.readWindow(4, i)));
    expect(windows.map((window) => [...window])).toEqual([
      [0, 1, 2, 3, 4],
      [4, 5, 6, 7, 8],
      [1000, 1001, 1002, 1003, 1004],
      [3000, 3001, 3002, 3003, 3004],
    ]);
    await expect(tokens.readWindow(4, 4)).rejects.toThrow(failure('DATA', /window 4: expected a number below 4/));
    expect(() => tokens.requireWindow(64)).toThrow(failure('DATA', /found 9 in the longest of 4 token file/));
  });

  it('closes what it opened when a file is bad', async () => {
    const good = await temp.writeTokens('good.bin', [1, 2]);
    await expect(TokenSource.open([good, temp.path('bad.bin')])).rejects.toThrow(failure('DATA', /bad\.bin/));
  });
});

describe('BatchLoader', () => {
  /** First tokens of the rows of micro-batches 0 to n - 1: they name the windows, as all differ. */
  async function windowsOf(loader: BatchLoader, n: number): Promise<number[]> {
    const firsts: number[] = [];
    for (let index = 0; index < n; index++) {
      const { tokens } = await loader.batch(index);
      for (let row = 0; row < loader.batchSize; row++) firsts.push(tokens[row * loader.sequenceLength]!);
    }
    return firsts;
  }

  it('gives (B, T) tokens and the tokens that follow them', async () => {
    const tokens = await source(58);
    const loader = new BatchLoader(tokens, { sequenceLength: 4, batchSize: 3, seed: 1 });
    const batch = await loader.batch(0);
    expect(batch.tokens).toBeInstanceOf(Int32Array);
    expect(batch.tokens).toHaveLength(12);
    expect([...batch.targets]).toEqual([...batch.tokens].map((token) => token + 1));
    for (const row of range(3)) {
      const first = batch.tokens[4 * row]!;
      expect(first % 4).toBe(0);
      expect([...batch.tokens.subarray(4 * row, 4 * row + 4)]).toEqual(range(4, first));
    }
  });

  it('shows every window once per epoch, in an order that depends on seed and epoch', async () => {
    const tokens = await source(41, 17, 30);
    const stream = [...range(41), ...range(17, 1000), ...range(30, 2000)];
    const all = range(21).map((i) => stream[4 * i]);
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 50 }), async (seed, batchSize) => {
        const loader = new BatchLoader(tokens, { sequenceLength: 4, batchSize, seed });
        expect(loader.windowsPerEpoch).toBe(21);
        const sequence = await windowsOf(loader, Math.ceil(63 / batchSize));
        const epochs = range(3).map((epoch) => sequence.slice(21 * epoch, 21 * epoch + 21));
        for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(all);
        expect(epochs[0]).not.toEqual(epochs[1]);
        expect(epochs[1]).not.toEqual(epochs[2]);
        // The sequence does not depend on how it is cut into batches.
        const other = new BatchLoader(tokens, { sequenceLength: 4, batchSize: 21, seed });
        expect(await windowsOf(other, 3)).toEqual(epochs.flat());
      }),
      { numRuns: 25 },
    );
    const orders = await Promise.all(
      [1, 2].map((seed) => windowsOf(new BatchLoader(tokens, { sequenceLength: 4, batchSize: 21, seed }), 1)),
    );
    expect(orders[0]).not.toEqual(orders[1]);
  });

  it('gives the same batch whenever it is asked for', async () => {
    const tokens = await source(101);
    const options = { sequenceLength: 4, batchSize: 3, seed: 7 };
    const loader = new BatchLoader(tokens, options);
    const inOrder = [];
    for (const index of range(30)) inOrder.push(await loader.batch(index));
    expect(await new BatchLoader(tokens, options).batch(20)).toEqual(inOrder[20]);
    const other = new BatchLoader(tokens, options);
    for (const index of [29, 3, 4, 4, 0, 12]) expect(await other.batch(index)).toEqual(inOrder[index]);
    // Far away, at once.
    await other.batch(1_000_000_000);
    for (const index of [-1, 0.5, Number.NaN]) {
      await expect(other.batch(index)).rejects.toThrow(failure('CONFIG', /batch index/));
    }
  });

  it('knows the epoch of a micro-batch', async () => {
    const tokens = await source(41);
    const loader = new BatchLoader(tokens, { sequenceLength: 4, batchSize: 4, seed: 1 });
    expect(range(8).map((index) => loader.epochOf(index))).toEqual([0, 0, 0, 1, 1, 2, 2, 2]);
  });

  it('works with a single window', async () => {
    const tokens = await source(5);
    const loader = new BatchLoader(tokens, { sequenceLength: 4, batchSize: 2, seed: 1 });
    expect([...(await loader.batch(3)).targets]).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
  });

  it('lets the source be closed while it reads ahead, and fails only when asked again', async () => {
    const tokens = await source(41);
    const loader = new BatchLoader(tokens, { sequenceLength: 4, batchSize: 2, seed: 1 });
    await loader.batch(0);
    await tokens.close();
    await expect(loader.batch(5)).rejects.toThrow(failure('DATA', /cannot be read/));
  });

  it('reports too little data', async () => {
    const tokens = await source(30, 30);
    expect(() => new BatchLoader(tokens, { sequenceLength: 64, batchSize: 2, seed: 1 })).toThrow(
      failure('DATA', /sequence length of 64 takes 65 consecutive tokens, found 60 in 2 .* shorter sequence/),
    );
  });

  it.each([
    [{ sequenceLength: 0 }, /sequenceLength: expected a positive integer, received 0/],
    [{ batchSize: 1.5 }, /batchSize: expected a positive integer, received 1.5/],
    [{ seed: 0.5 }, /seed: expected an integer, received 0.5/],
  ])('refuses %j', async (options, message) => {
    const tokens = await source(30);
    expect(() => new BatchLoader(tokens, { sequenceLength: 4, batchSize: 2, seed: 1, ...options })).toThrow(
      failure('CONFIG', message),
    );
  });
});

describe('fixedWindows', () => {
  async function collect(batches: AsyncIterable<FixedBatch>): Promise<FixedBatch[]> {
    const all: FixedBatch[] = [];
    for await (const batch of batches) all.push(batch);
    return all;
  }
  const rows = ({ tokens, batchSize, sequenceLength }: FixedBatch) =>
    range(batchSize).map((row) => [...tokens.subarray(row * sequenceLength, (row + 1) * sequenceLength)]);

  it('spaces windows evenly', async () => {
    const tokens = await source(41);
    const batches = await collect(fixedWindows(tokens, 4, 4, 3));
    expect(batches.map((batch) => batch.batchSize)).toEqual([3, 1]);
    expect(batches.flatMap(rows)).toEqual([0, 2, 5, 7].map((window) => range(4, 4 * window)));
  });

  it('gives all whole windows when there are fewer than asked for, the same every time', async () => {
    const tokens = await source(41, 9);
    const windows = fixedWindows(tokens, 4, 100);
    const batches = await collect(windows);
    expect(batches.map((batch) => batch.batchSize)).toEqual([8, 4]);
    expect(await collect(windows)).toEqual(batches);
  });

  it("with 'all' has every token but the first, of all or of each file, as a target once", async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
    const rules = fc.constantFrom('across' as const, 'within' as const);
    const sizes = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 }));
    await fc.assert(
      fc.asyncProperty(lengths, sizes, rules, async (ns, [T, cap], rule) => {
        if (Math.max(...ns) < 2) return;
        const stream = ns.flatMap((n, file) => range(n, 1000 * file));
        const follows = new Map(stream.map((token, i) => [token, stream[i + 1]]));
        const batches = await collect(fixedWindows((await source(...ns)).with(rule), T, 'all', cap));
        const targets = batches.flatMap((batch) => [...batch.targets]);
        expect(targets.toSorted((a, b) => a - b)).toEqual(
          rule === 'across' ? stream.slice(1) : ns.flatMap((n, file) => range(n - 1, 1000 * file + 1)),
        );
        for (const batch of batches) {
          expect(batch.batchSize).toBeLessThanOrEqual(cap);
          expect(batch.sequenceLength).toBeLessThanOrEqual(T);
          expect(batch.tokens).toHaveLength(batch.batchSize * batch.sequenceLength);
          expect([...batch.targets]).toEqual([...batch.tokens].map((token) => follows.get(token)));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('reports too little data and bad sizes', async () => {
    const tokens = await source(4);
    expect(() => fixedWindows(tokens, 4, 1)).toThrow(failure('DATA', /takes 5 consecutive tokens, found 4/));
    expect(await collect(fixedWindows(tokens, 4, 'all'))).toHaveLength(1);
    for (const [T, count, cap] of [
      [0, 1, 1],
      [4, 0, 1],
      [4, 1, 0],
      [1.5, 'all', 1],
    ] as const) {
      expect(() => fixedWindows(tokens, T, count, cap)).toThrow(failure('CONFIG', /expected a positive integer/));
    }
    const single = await source(1);
    expect(() => fixedWindows(single, 4, 'all')).toThrow(failure('DATA', /takes 2 consecutive tokens, found 1/));
  });
});
