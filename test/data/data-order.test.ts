// Which windows come when, as pinned numbers: runs are continued by later versions, and must see the tokens they would have
// seen. Whoever changes one of these changes the data of every run that is not complete.

import { expect, it } from 'vitest';
import { BatchLoader } from '../../lib/data/batch-loader.ts';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import type { TokenSource } from '../../lib/data/token-source.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();
const T = 4;

/** File i holds 1000 i, 1000 i + 1, ... */
const source = (...lengths: number[]) => temp.openTokens(...lengths.map((n, i) => range(n, 1000 * i)));

/** First tokens of the first windows of an epoch. */
async function firstsOf(tokens: TokenSource, seed: number, epoch: number, count = 12): Promise<number[]> {
  const loader = new BatchLoader(tokens, { sequenceLength: T, batchSize: 1, seed });
  const batches = range(count, epoch * loader.windowsPerEpoch).map((index) => loader.batch(index));
  return (await Promise.all(batches)).map(({ tokens: [first] }) => first!);
}

it.each([
  [1, 0, [360, 388, 396, 200, 180, 100, 300, 196, 332, 328, 128, 136]],
  [1, 1, [80, 348, 76, 288, 56, 16, 160, 220, 268, 312, 28, 240]],
  [1, 5, [84, 52, 16, 256, 112, 32, 228, 8, 344, 132, 64, 364]],
  [1337, 0, [340, 0, 260, 192, 124, 164, 344, 292, 148, 96, 196, 8]],
  [1337, 1, [360, 36, 336, 340, 268, 272, 348, 264, 312, 244, 200, 196]],
  [-7, 0, [308, 368, 196, 204, 80, 68, 208, 136, 228, 300, 236, 352]],
  [-7, 5, [396, 36, 372, 76, 20, 24, 64, 264, 68, 360, 260, 336]],
])('seed %i, epoch %i: the first windows of 401 tokens', async (seed, epoch, expected) => {
  expect(await firstsOf(await source(401), seed, epoch)).toEqual(expected);
});

it('is that of one stream for several files', async () => {
  const tokens = await source(41, 17, 30);
  const stream = [...range(41), ...range(17, 1000), ...range(30, 2000)];
  const one = await temp.openTokens(stream);
  for (const epoch of [0, 1]) {
    expect(await firstsOf(tokens, 1, epoch, 21)).toEqual(await firstsOf(one, 1, epoch, 21));
  }
  expect(await firstsOf(tokens, 1, 0)).toEqual([1015, 16, 24, 0, 2022, 1011, 36, 40, 1003, 20, 28, 2010]);
});

it('is as it was for windows within files, which runs of earlier versions go on with', async () => {
  const tokens = (await source(41, 17, 30)).with('within');
  expect(await firstsOf(tokens, 1, 0)).toEqual([2000, 16, 24, 0, 2024, 1012, 36, 1000, 1004, 20, 28, 2012]);
  expect(await firstsOf(tokens, 1, 1)).toEqual([2024, 1008, 2020, 2004, 2000, 16, 32, 20, 0, 24, 28, 4]);
});

it('evaluates the same windows', async () => {
  const firsts = async (tokens: TokenSource, count: number) => {
    const found: number[] = [];
    for await (const batch of fixedWindows(tokens, T, count)) {
      for (let row = 0; row < batch.batchSize; row++) found.push(batch.tokens[row * T]!);
    }
    return found;
  };
  expect(await firsts(await source(401), 7)).toEqual([0, 56, 112, 168, 228, 284, 340]);
  expect(await firsts((await source(41, 17, 30)).with('within'), 5)).toEqual([0, 16, 32, 1008, 2008]);
});
