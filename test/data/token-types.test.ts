// Raw ids of any integer type, .npy files, and ids that are read as another type than they are.

import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import { openTokenFile } from '../../lib/data/token-file.ts';
import type { TokenFileOptions } from '../../lib/data/token-layout.ts';
import { storedAs, type TokenType, tokenTypes } from '../../lib/data/token-type.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

const dataError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

/** Text-like ids: small ones are frequent, none is 0. */
const ids = (n: number, vocabSize: number) => range(n).map((i) => 1 + ((i * i * 7 + i) % (vocabSize - 1)));

function bytesOf(tokens: readonly number[], type: TokenType): Buffer {
  const array = {
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
    uint64: BigUint64Array,
    int16: Int16Array,
    int32: Int32Array,
    int64: BigInt64Array,
  }[type];
  const values = storedAs[type].bytes === 8 ? tokens.map(BigInt) : tokens;
  return Buffer.from((array as typeof Uint8Array).from(values as number[]).buffer);
}

/** As np.save writes it. */
function npyFile(descr: string, shape: string, data: Buffer, { version = 1, order = 'False' } = {}): Buffer {
  const lengthBytes = version === 1 ? 2 : 4;
  const dictionary = `{'descr': ${descr.startsWith('[') ? descr : `'${descr}'`}, 'fortran_order': ${order}, 'shape': (${shape}), }`;
  const headerBytes = 64 * Math.ceil((8 + lengthBytes + dictionary.length + 1) / 64);
  const header = Buffer.alloc(headerBytes, ' ');
  header.write('\x93NUMPY', 0, 'latin1');
  header.set([version, 0], 6);
  header.writeUIntLE(headerBytes - 8 - lengthBytes, 8, lengthBytes);
  header.write(dictionary, 8 + lengthBytes, 'latin1');
  header.write('\n', headerBytes - 1);
  return Buffer.concat([header, data]);
}

const descrs = { uint8: '|u1', uint16: '<u2', uint32: '<u4', uint64: '<u8', int16: '<i2', int32: '<i4', int64: '<i8' };

async function readAll(path: string, options: TokenFileOptions = {}): Promise<number[]> {
  const file = await openTokenFile(path, options);
  try {
    return [...(await file.readTokens(0, file.tokenCount))];
  } finally {
    await file.close();
  }
}

describe('openTokenFile', () => {
  it.each(tokenTypes)('reads raw ids of %s, told so, and .npy files of it', async (type) => {
    const tokens = [0, 1, 127, ...(storedAs[type].bytes > 1 ? [300, 32767] : []), 5];
    const raw = await temp.write('a.bin', bytesOf(tokens, type));
    expect(await readAll(raw, { dtype: type })).toEqual(tokens);
    const npy = npyFile(descrs[type], `${tokens.length},`, bytesOf(tokens, type));
    expect(await readAll(await temp.write('a.npy', npy))).toEqual(tokens);
    expect(await readAll(await temp.write('a.npy', npy), { dtype: type })).toEqual(tokens);
    const long = npyFile(descrs[type], `${tokens.length},`, bytesOf(tokens, type), { version: 2 });
    expect(await readAll(await temp.write('b.npy', long))).toEqual(tokens);
  });

  it('refuses ids that no vocabulary has', async () => {
    for (const [value, type] of [
      [-1, 'int16'],
      [-1, 'int64'],
      [2 ** 31, 'uint32'],
      [2 ** 40 + 3, 'int64'],
      [2 ** 32, 'uint64'],
    ] as const) {
      const path = await temp.write('a.bin', bytesOf([3, value], type));
      await expect(readAll(path, { dtype: type })).rejects.toThrow(
        dataError(new RegExp(`token ${value} at position 1`)),
      );
    }
  });

  it.each([
    ['floating point', npyFile('<f4', '2,', Buffer.alloc(8)), /a \.npy file of type <f4, no integers.*np\.save/],
    ['big-endian ids', npyFile('>u2', '2,', Buffer.alloc(4)), /big-endian uint16/],
    ['rows', npyFile('<u2', '2, 3', Buffer.alloc(12)), /shape \(2, 3\), not one list.*reshape\(-1\)/],
    [
      'structures',
      npyFile("[('a', '<u2'), ('b', '<u2')]", '2,', Buffer.alloc(8)),
      /\.npy file whose header cannot be read/,
    ],
    ['data that is cut off', npyFile('<u2', '5,', Buffer.alloc(8)), /announces 5 tokens of 2 bytes, found/],
    ['a header that is cut off', npyFile('<u2', '5,', Buffer.alloc(10)).subarray(0, 9), /header is cut off/],
    ['half a header', npyFile('<u2', '5,', Buffer.alloc(10)).subarray(0, 40), /header cannot be read/],
  ])('refuses .npy files of %s', async (_, bytes, message) => {
    await expect(openTokenFile(await temp.write('a.npy', bytes))).rejects.toThrow(dataError(message));
  });

  it.each([
    ['.npz', 'PK\x03\x04', /a zip archive/],
    ['gzip', '\x1f\x8b\x08', /a gzip file/],
    ['Zstandard', '\x28\xb5\x2f\xfd', /a Zstandard file/],
    ['Parquet', 'PAR1', /a Parquet file/],
    ['Arrow', 'ARROW1', /an Arrow file/],
    ['HDF5', '\x89HDF', /an HDF5 file/],
  ])('refuses %s, unless told what it is', async (_, magic, message) => {
    const bytes = Buffer.concat([Buffer.from(magic, 'latin1'), Buffer.alloc(16 - magic.length)]);
    const path = await temp.write('a.bin', bytes);
    await expect(openTokenFile(path)).rejects.toThrow(dataError(message));
    expect(await readAll(path, { dtype: 'uint8' })).toEqual([...bytes]);
  });

  it('refuses 16 bits for a vocabulary that does not fit', async () => {
    const npy = npyFile('<u2', '2,', Buffer.alloc(4));
    const shard = Buffer.alloc(1028);
    for (const [i, value] of [20240520, 1, 2].entries()) shard.writeInt32LE(value, 4 * i);
    for (const bytes of [Buffer.alloc(4), npy, shard]) {
      const path = await temp.write('a.bin', bytes);
      expect(await readAll(path, { vocabSize: 65536 })).toEqual([0, 0]);
      await expect(openTokenFile(path, { vocabSize: 65537 })).rejects.toThrow(
        dataError(/vocabulary of 65537 does not fit 16 bits.*data\.dtype: uint32/),
      );
    }
    const wide = await temp.write('b.bin', bytesOf([70_000], 'uint32'));
    expect(await readAll(wide, { vocabSize: 70_001, dtype: 'uint32' })).toEqual([70_000]);
  });

  it('refuses a type that the file contradicts, and a size that the type does', async () => {
    const npy = await temp.write('a.npy', npyFile('<u2', '2,', Buffer.alloc(4)));
    await expect(openTokenFile(npy, { dtype: 'int64' })).rejects.toThrow(
      dataError(/expected int64 \(dtype\), but this \.npy file says uint16; leave dtype out/),
    );
    const raw = await temp.write('a.bin', Buffer.alloc(12));
    await expect(openTokenFile(raw, { dtype: 'int64' })).rejects.toThrow(
      dataError(/raw int64 tokens, so a multiple of 8 bytes, found 12.*data\.dtype/),
    );
  });
});

describe('loadDataset of token files', () => {
  const load = async (options: Parameters<typeof loadDataset>[0]) => {
    const dataset = await loadDataset(options);
    await dataset.close();
    return dataset;
  };

  it.each([
    ['uint32', 2, /every second one is 0.*data\.dtype, or --dtype .*: uint32 or int32; uint16 if/],
    ['int32', 2, /every second one is 0/],
    ['int64', 4, /three of four are 0.*data\.dtype, .*: int64; /],
    ['uint64', 4, /three of four are 0/],
  ] as const)('refuses ids of %s that are taken for uint16', async (type, times, message) => {
    for (const vocabSize of [96, 50257]) {
      const path = await temp.write('a.bin', bytesOf(ids(3000, vocabSize), type));
      await expect(load({ train: path, vocabSize })).rejects.toThrow(dataError(message));
      // Right, or on purpose.
      expect((await load({ train: path, vocabSize, dtype: type })).train.tokenCount).toBe(3000);
      const asTold = await load({ train: path, vocabSize, dtype: 'uint16' });
      expect(asTold.train.tokenCount).toBe(times * 3000);
    }
  });

  it('takes tokens with many zeros for what they are', async () => {
    for (const tokens of [range(500).map(() => 0), range(500).map((i) => i % 2), ids(500, 50)]) {
      const dataset = await load({ train: await temp.writeTokens('a.bin', tokens), vocabSize: 50 });
      expect(dataset.findings).toEqual([]);
    }
  });

  it('finds ids above the vocabulary, with their share', async () => {
    const few = await temp.writeTokens('a.bin', [1, 2, 9]);
    await expect(load({ train: few, vocabSize: 9 })).rejects.toThrow(
      dataError(/tokens below 9, .* sample of 3 tokens 33 % are not, the largest is 9; they are of another tokenizer/),
    );
    const narrow = await temp.write('b.bin', bytesOf(ids(3000, 50257), 'uint16'));
    await expect(load({ train: narrow, vocabSize: 50257, dtype: 'uint32' })).rejects.toThrow(
      dataError(/token \d+ at position \d+: expected tokens below 2147483648, the most that are read/),
    );
    await expect(load({ train: narrow, vocabSize: 50257, dtype: 'int64' })).rejects.toThrow(/token \d+ at position/);
    // Of the validation files as well; one that the sample misses is found when it is read.
    const good = await temp.writeTokens('c.bin', [1, 2, 3]);
    await expect(load({ train: good, validation: few, vocabSize: 9 })).rejects.toThrow(dataError(/a\.bin/));
    const large = Uint16Array.from({ length: 3 << 20 }, (_, i) => (i === 5000 ? 60_000 : i % 50_000));
    const rare = await temp.writeTokens('d.bin', large);
    const dataset = await loadDataset({ train: rare, vocabSize: 50257 });
    await expect(dataset.train.readWindow(1000, 5)).rejects.toThrow(dataError(/token 60000 at position 5000/));
    await dataset.close();
  });

  it('says when hardly any of the vocabulary occurs', async () => {
    const bytes = await temp.writeTokens('a.bin', ids(70_000, 250));
    expect((await load({ train: bytes, vocabSize: 50257 })).findings).toEqual([
      expect.stringMatching(
        /^train: of a vocabulary of 50257 tokens only \d+ occur in a sample of 70000, the largest 247/,
      ),
    ]);
    expect((await load({ train: bytes, vocabSize: 256 })).findings).toEqual([]);
    const short = await temp.writeTokens('b.bin', ids(5000, 250));
    expect((await load({ train: short, vocabSize: 50257 })).findings).toEqual([]);
  });
});
