import { describe, expect, it, onTestFinished } from 'vitest';
import { findDocument, hasBoundaries } from '../../lib/data/find-document.ts';
import { TokenSource } from '../../lib/data/token-source.ts';
import { TokenShardWriter } from '../../lib/prepare/token-shard-writer.ts';
import { useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

/** Shards of five tokens. */
async function sourceOf(tokens: number[]): Promise<TokenSource> {
  const options = { directory: temp.path(), name: 'x', split: 'train' as const, vocabSize: 100, shardTokens: 5 };
  const writer = new TokenShardWriter(options);
  await writer.write(tokens);
  const source = await TokenSource.open((await writer.end()).map((name) => temp.path(name)));
  onTestFinished(() => source.close());
  return source;
}

describe('findDocument', () => {
  it('counts by the token before each, across shards', async () => {
    const source = await sourceOf([99, 1, 2, 99, 3, 4, 5, 6, 99, 99, 7]);
    const found = [];
    for (let i = 1; i <= 4; i++) found.push(await findDocument(source, i, 99));
    expect(found).toEqual([
      { start: 1, count: 2 },
      { start: 4, count: 4 },
      { start: 9, count: 0 },
      { start: 10, count: 1 },
    ]);
    await expect(findDocument(source, 5, 99)).rejects.toThrow('document 5: expected a number from 1 to 4');
  });

  it('takes tokens before the first mark for the rest of a document', async () => {
    const source = await sourceOf([1, 2, 99, 3]);
    expect(await findDocument(source, 1, 99)).toEqual({ start: 0, count: 2 });
    expect(await findDocument(source, 2, 99)).toEqual({ start: 3, count: 1 });
  });

  it('without marks there is one document', async () => {
    const source = await sourceOf([1, 2, 3]);
    expect(await findDocument(source, 1, null)).toEqual({ start: 0, count: 3 });
    await expect(findDocument(source, 2, null)).rejects.toThrow('expected a number from 1 to 1');
  });

  it('ends when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(findDocument(await sourceOf([99, 1]), 1, 99, { signal })).rejects.toThrow('enough');
  });
});

it('documents have boundaries where there is a mark, or one of them', () => {
  const split = (documents: number) => ({ files: [], tokens: 1, bytes: 1, documents });
  expect(hasBoundaries({ delimiter: null }, split(1))).toBe(true);
  expect(hasBoundaries({ delimiter: null }, split(2))).toBe(false);
  expect(hasBoundaries({ delimiter: { token: 0, position: 'before' } }, split(2))).toBe(true);
});
