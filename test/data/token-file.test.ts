import { open, truncate } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTokenFile } from '../../lib/data/token-file.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

/** An llm.c shard: 256 int32 of header, then tokens. */
function llmcFile(header: number[], tokens: number[], tokenBytes: 2 | 4): Buffer {
  const bytes = Buffer.alloc(1024 + tokenBytes * tokens.length);
  for (const [i, value] of header.entries()) bytes.writeInt32LE(value, 4 * i);
  for (const [i, token] of tokens.entries()) bytes.writeUIntLE(token, 1024 + tokenBytes * i, tokenBytes);
  return bytes;
}

async function readAll(path: string, vocabSize?: number): Promise<number[]> {
  const file = await openTokenFile(path, { vocabSize });
  try {
    return [...(await file.readTokens(0, file.tokenCount))];
  } finally {
    await file.close();
  }
}

const dataError = (message: string | RegExp) =>
  expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

describe('openTokenFile', () => {
  it('reads llm.c shards of 16 and of 32 bits', async () => {
    const gpt2 = await temp.write('a.bin', llmcFile([20240520, 1, 4], [0, 50256, 1, 65535], 2));
    expect(await readAll(gpt2)).toEqual([0, 50256, 1, 65535]);
    const llama = await temp.write('b.bin', llmcFile([20240801, 7, 3], [0, 128000, 70000], 4));
    expect(await readAll(llama)).toEqual([0, 128000, 70000]);
    const file = await openTokenFile(gpt2);
    expect(file).toMatchObject({ path: gpt2, format: 'llmc', tokenCount: 4 });
    await file.close();
  });

  it('reads the bytes of a shard worked out by hand', async () => {
    const bytes = Buffer.alloc(1028);
    Buffer.from('88d834010100000002000000', 'hex').copy(bytes); // 20240520, 1, 2
    Buffer.from('0f27', 'hex').copy(bytes, 1024); // 0x270f = 9999
    Buffer.from('50c4', 'hex').copy(bytes, 1026); // 0xc450 = 50256
    expect(await readAll(await temp.write('a.bin', bytes))).toEqual([9999, 50256]);
  });

  it('reads raw 16-bit tokens', async () => {
    const path = await temp.writeTokens('raw.bin', [1, 50256, 3]);
    expect(await readAll(path)).toEqual([1, 50256, 3]);
    const file = await openTokenFile(path);
    expect(file).toMatchObject({ format: 'raw', tokenCount: 3 });
    await file.close();
  });

  it('reads any range, overlapping in time, into a given array or a new one', async () => {
    const tokens = range(500, 100);
    const path = await temp.write('a.bin', llmcFile([20240520, 1, tokens.length], tokens, 2));
    const file = await openTokenFile(path);
    const rangeInFile = fc
      .tuple(fc.nat({ max: 500 }), fc.nat({ max: 500 }))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
    await fc.assert(
      fc.asyncProperty(fc.array(rangeInFile, { maxLength: 5 }), async (ranges) => {
        const into = new Int32Array(500);
        const read = await Promise.all(ranges.map(([start, end]) => file.readTokens(start!, end! - start!)));
        expect(read.map((part) => [...part])).toEqual(ranges.map(([start, end]) => tokens.slice(start, end)));
        const [start, end] = ranges[0] ?? [0, 500];
        const part = await file.readTokens(start!, end! - start!, into);
        expect([...part]).toEqual(tokens.slice(start, end));
        expect(part.buffer).toBe(into.buffer);
      }),
    );
    await file.close();
  });

  it('reads beyond 4 GiB', async () => {
    // A sparse file: 2.5 billion raw tokens, all 0 but the last.
    const path = await temp.writeTokens('huge.bin', [0, 0]);
    await truncate(path, 5e9);
    const handle = await open(path, 'r+');
    await handle.write(Buffer.of(0x07, 0x00), 0, 2, 5e9 - 2);
    await handle.close();
    const file = await openTokenFile(path);
    expect(file.tokenCount).toBe(2.5e9);
    expect([...(await file.readTokens(2.5e9 - 2, 2))]).toEqual([0, 7]);
    await file.close();
  });
});

describe('what openTokenFile refuses', () => {
  it.each([
    ['a size that differs from the header', [20240520, 1, 5], /expected 1034 bytes.*announces 5 tokens.*found 1030/],
    ['a negative count', [20240520, 1, -1], /announces -1 tokens/],
    ['another version', [20240520, 2, 3], /expected version 1 .* found version 2/],
    ['another version of 32 bits', [20240801, 1, 3], /expected version 7/],
  ])('%s', async (_, header, message) => {
    const path = await temp.write('a.bin', llmcFile(header, [1, 2, 3], 2));
    await expect(openTokenFile(path)).rejects.toThrow(dataError(message));
  });

  it('a header that is cut off', async () => {
    const path = await temp.write('a.bin', llmcFile([20240520, 1, 3], [], 2).subarray(0, 600));
    await expect(openTokenFile(path)).rejects.toThrow(dataError(/1024 header bytes.*found 600/));
  });

  it('formats that are not supported yet', async () => {
    const packed = await temp.write('packed.bin', Buffer.from('LITPKDS\x01\0\0\0\0\0\0\0', 'latin1'));
    await expect(openTokenFile(packed)).rejects.toThrow(dataError(/packed\.bin.*LITPKDS.*not supported yet/));
    const tokens = await temp.writeTokens('megatron.bin', [1, 2]);
    const index = await temp.write('megatron.idx', Buffer.from('MMIDIDX\0\0\x01', 'latin1'));
    await expect(openTokenFile(tokens)).rejects.toThrow(dataError(/megatron\.bin.*Megatron-LM.*not supported yet/));
    await expect(openTokenFile(index)).rejects.toThrow(dataError(/megatron\.idx.*Megatron-LM.*not supported yet/));
  });

  it('an .idx beside it that is something else does not matter', async () => {
    const path = await temp.writeTokens('a.bin', [1, 2]);
    await temp.write('a.idx', 'other');
    expect(await readAll(path)).toEqual([1, 2]);
  });

  it('files that are empty, of odd size, text, missing, or directories', async () => {
    await expect(openTokenFile(await temp.write('a.bin', ''))).rejects.toThrow(dataError(/empty file/));
    await expect(openTokenFile(await temp.write('a.bin', '\0\0\0'))).rejects.toThrow(dataError(/even number.*found 3/));
    const text = `${'Ünïcode text, given by mistake.\n'.repeat(200)}`;
    await expect(openTokenFile(await temp.write('a.bin', text))).rejects.toThrow(
      dataError(/found text.*burgeon prepare/),
    );
    await expect(openTokenFile(temp.path('missing.bin'))).rejects.toThrow(dataError(/missing\.bin: cannot be opened/));
    await expect(openTokenFile(temp.path())).rejects.toThrow(dataError(/cannot be read/));
  });

  it('a token outside the vocabulary, when it is read', async () => {
    const path = await temp.writeTokens('a.bin', [1, 2, 300, 4]);
    const file = await openTokenFile(path, { vocabSize: 300 });
    expect([...(await file.readTokens(0, 2))]).toEqual([1, 2]);
    await expect(file.readTokens(1, 3)).rejects.toThrow(
      dataError(/a\.bin: token 300 at position 2: expected tokens below 300.*another tokenizer/),
    );
    await file.close();
    const large = await temp.write('b.bin', llmcFile([20240801, 7, 1], [2 ** 31], 4));
    await expect(readAll(large)).rejects.toThrow(dataError(/token 2147483648 at position 0/));
  });

  it('ranges outside the file and arrays too short', async () => {
    const file = await openTokenFile(await temp.writeTokens('a.bin', [1, 2, 3]));
    for (const [start, count] of [
      [2, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [4, 0],
    ] as const) {
      await expect(file.readTokens(start, count)).rejects.toThrow(dataError(/range within its 3 tokens/));
    }
    await expect(file.readTokens(0, 3, new Int32Array(2))).rejects.toThrow(dataError(/room for 3 tokens, received 2/));
    await file.close();
  });

  it('a file that became shorter', async () => {
    const path = await temp.writeTokens('a.bin', range(1000));
    const file = await openTokenFile(path);
    await truncate(path, 100);
    await expect(file.readTokens(0, 1000)).rejects.toThrow(dataError(/became shorter/));
    await file.close();
  });
});
