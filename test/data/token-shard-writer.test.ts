import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTokenFile } from '../../lib/data/token-file.ts';
import { TokenShardWriter, type TokenShardWriterOptions } from '../../lib/data/token-shard-writer.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

function writer(options: Partial<TokenShardWriterOptions> = {}): TokenShardWriter {
  return new TokenShardWriter({ directory: temp.path(), name: 'data', split: 'train', vocabSize: 50257, ...options });
}

async function tokensOf(name: string): Promise<number[]> {
  const file = await openTokenFile(temp.path(name));
  const tokens = await file.readTokens(0, file.tokenCount);
  await file.close();
  return [...tokens];
}

describe('TokenShardWriter', () => {
  it('writes the bytes of an llm.c shard', async () => {
    const shards = writer();
    await shards.write([1, 50256]);
    await shards.write(Int32Array.of(258));
    expect(await shards.end()).toEqual(['data_train_000000.bin']);
    const bytes = await readFile(temp.path('data_train_000000.bin'));
    const expected = Buffer.alloc(1030);
    Buffer.from('88d834010100000003000000', 'hex').copy(expected); // 20240520, version 1, 3 tokens
    Buffer.from('010050c40201', 'hex').copy(expected, 1024); // 1, 50256, 258
    expect(bytes.equals(expected)).toBe(true);
  });

  it('writes any tokens so that they can be read back, in shards of the given size', async () => {
    const pieces = fc.array(fc.array(fc.nat({ max: 65535 }), { maxLength: 12 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 10 }), async (parts, shardTokens) => {
        const shards = writer({ shardTokens, vocabSize: 65536, split: 'val', name: 'x-1' });
        for (const part of parts) await shards.write(part);
        const files = await shards.end();
        const all = parts.flat();
        expect(shards.tokenCount).toBe(all.length);
        expect(files).toHaveLength(Math.ceil(all.length / shardTokens));
        const read = await Promise.all(files.map(tokensOf));
        expect(read.flat()).toEqual(all);
        for (const shard of read.slice(0, -1)) expect(shard).toHaveLength(shardTokens);
      }),
      { numRuns: 40 },
    );
  });

  it('writes more than its buffer holds', async () => {
    const tokens = range(1_200_000).map((i) => i % 50257);
    const shards = writer();
    await shards.write([7]);
    await shards.write(tokens);
    await shards.end();
    expect(await tokensOf('data_train_000000.bin')).toEqual([7, ...tokens]);
  });

  it('gives a file its name only when it is complete', async () => {
    const shards = writer({ shardTokens: 2 });
    await shards.write([1, 2, 3]);
    expect(await readdir(temp.path())).toEqual(['data_train_000000.bin', 'data_train_000001.bin.partial']);
    await shards.abort();
    await shards.abort();
  });

  it('writes no file without tokens', async () => {
    const shards = writer();
    await shards.write([]);
    expect(await shards.end()).toEqual([]);
    expect(await readdir(temp.path())).toEqual([]);
  });

  it('refuses tokens outside the vocabulary', async () => {
    for (const token of [100, -1, Number.NaN]) {
      const shards = writer({ vocabSize: 100 });
      await shards.write([99]);
      await expect(shards.write([98, token])).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_BURGEON_DATA',
          message: expect.stringContaining(`token ${token} at position 2`),
        }),
      );
      await shards.abort();
    }
  });

  it.each([
    [{ vocabSize: 2 ** 31 + 1 }, 'vocabSize: expected an integer from 1 to 2147483648'],
    [{ vocabSize: 0 }, 'vocabSize'],
    [{ shardTokens: 0 }, 'shardTokens: expected an integer'],
    [{ shardTokens: 2 ** 30 }, 'shardTokens: expected an integer'],
    [{ shardTokens: 2 ** 29, vocabSize: 65537 }, 'shardTokens: expected an integer'],
    [{ name: '../data' }, 'name: expected letters'],
    [{ name: '' }, 'name: expected letters'],
  ])('refuses %j', (options, message) => {
    expect(() => writer(options)).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_CONFIG', message: expect.stringContaining(message) }),
    );
  });

  it('reports a directory it cannot write to', async () => {
    await expect(writer({ directory: temp.path('missing') }).write([1])).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('cannot be written') }),
    );
  });
});
