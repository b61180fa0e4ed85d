import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTokenFile } from '../../lib/data/token-file.ts';
import { TokenShardWriter, type TokenShardWriterOptions } from '../../lib/prepare/token-shard-writer.ts';
import { range, useTempDirectory } from '../data/temp-directory.ts';

const temp = useTempDirectory();

const baseOptions = () => ({ directory: temp.path(), name: 'data', split: 'train' as const, vocabSize: 50257 });

function writer(options: Partial<TokenShardWriterOptions> = {}): TokenShardWriter {
  return new TokenShardWriter({ ...baseOptions(), ...options });
}

const sha256 = (hex: string) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex');

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

  it('writes 32 bits per token where the vocabulary needs them', async () => {
    const shards = writer({ vocabSize: 128_256 });
    await shards.write([1, 128_000, 65_536]);
    const [file] = await shards.end();
    const expected = Buffer.alloc(1036);
    Buffer.from('a1d934010700000003000000', 'hex').copy(expected); // 20240801, version 7, 3 tokens
    Buffer.from('0100000000f4010000000100', 'hex').copy(expected, 1024);
    expect((await readFile(temp.path(file!))).equals(expected)).toBe(true);
    expect(await tokensOf(file!)).toEqual([1, 128_000, 65_536]);
  });

  it('goes on after any token that is on disk, and leaves complete shards alone', async () => {
    const all = range(25);
    const options = { shardTokens: 7 };
    const whole = writer({ ...options, name: 'whole' });
    await whole.write(all);
    const files = await whole.end();
    for (const isEnded of [true, false]) {
      for (let kept = 0; kept <= all.length; kept++) {
        const first = writer(options);
        await first.write(all);
        await first.sync();
        if (isEnded) await first.end();
        else await first.abort();
        const inodes = await Promise.all(
          range(Math.floor(kept / 7)).map((i) => stat(temp.path(`data_train_00000${i}.bin`))),
        );
        const second = await TokenShardWriter.continue(
          { ...baseOptions(), ...options },
          kept,
          first.hashes.slice(0, kept % 3),
        );
        expect(second.tokenCount).toBe(kept);
        await second.write(all.slice(kept));
        expect(await second.end()).toEqual(files.map((name) => name.replace('whole', 'data')));
        expect(second.hashes).toEqual(whole.hashes);
        for (const file of files) {
          const [expected, found] = [
            await readFile(temp.path(file)),
            await readFile(temp.path(file.replace('whole', 'data'))),
          ];
          expect(found.equals(expected), `${file} after ${kept}`).toBe(true);
        }
        for (const [i, { ino }] of inodes.entries()) {
          expect((await stat(temp.path(`data_train_00000${i}.bin`))).ino).toBe(ino);
        }
      }
    }
    expect(await readdir(temp.path())).toHaveLength(8);
  });

  it('hashes the tokens of each shard as they are stored', async () => {
    const shards = writer({ shardTokens: 2 });
    await shards.write([1, 258, 3]);
    expect(shards.hashes).toEqual([sha256('01000201')]);
    await shards.end();
    expect(shards.hashes).toEqual([sha256('01000201'), sha256('0300')]);
    const wide = writer({ name: 'wide', vocabSize: 70_000 });
    await wide.write([1, 65_536]);
    await wide.end();
    expect(wide.hashes).toEqual([sha256('0100000000000100')]);
  });

  it('does not go on without the tokens before', async () => {
    const first = writer({ shardTokens: 4 });
    await first.write(range(6));
    await first.end();
    await expect(TokenShardWriter.continue({ ...baseOptions(), shardTokens: 4 }, 9)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/shards of an interrupted run with 9 tokens/),
      }),
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
