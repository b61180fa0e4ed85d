import { expect, it } from 'vitest';
import { identifyTokens, isSameData } from '../../lib/data/data-identity.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

it('is of the tokens, however they are cut into files', async () => {
  const tokens = range(30_000);
  const identity = await identifyTokens(await temp.openTokens(tokens));
  expect(identity).toEqual({ tokens: 30_000, sample: expect.stringMatching(/^[0-9a-f]{64}$/), shards: null });
  const cut = await temp.openTokens(tokens.slice(0, 7), tokens.slice(7, 12_000), tokens.slice(12_000));
  expect(await identifyTokens(cut)).toEqual(identity);
});

it('differs by one token of small data, and by order', async () => {
  const tokens = range(30_000);
  const identity = await identifyTokens(await temp.openTokens(tokens));
  for (const other of [tokens.toReversed(), tokens.with(29_999, 0), tokens.with(0, 1), tokens.with(17_000, 5)]) {
    expect(isSameData(await identifyTokens(await temp.openTokens(other)), identity)).toBe(false);
  }
});

it('samples large data from the first token to the last', async () => {
  const tokens = Uint16Array.from({ length: (1 << 20) + 5 }, (_, i) => i % 50_021);
  const { sample } = await identifyTokens(await temp.openTokens(tokens));
  for (const at of [0, tokens.length - 1]) {
    const other = tokens.with(at, 60_000);
    expect((await identifyTokens(await temp.openTokens(other))).sample).not.toBe(sample);
  }
  expect((await identifyTokens(await temp.openTokens(tokens.toReversed()))).sample).not.toBe(sample);
});

it('compares what is known of both', async () => {
  const source = await temp.openTokens(range(10));
  const known = await identifyTokens(source, ['a', 'b']);
  expect(isSameData(known, await identifyTokens(source))).toBe(true);
  expect(isSameData(known, await identifyTokens(source, ['a', 'b']))).toBe(true);
  expect(isSameData(known, await identifyTokens(source, ['a', 'c']))).toBe(false);
});
