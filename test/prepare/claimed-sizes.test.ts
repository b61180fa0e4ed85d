// Files that say they hold far more than they do: refused before anything of that size is made.

import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ZstdFrames } from '../../lib/prepare/zstd-frames.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { type Claims, claimedParquet, type ParquetPage, parquetOf } from '../helpers/parquet.ts';
import { documentsOf } from './documents-of.ts';
import { goldenPath } from './golden-texts.ts';

const temp = useTempDirectory();
const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

describe('.parquet', () => {
  it.each<[Claims, RegExp]>([
    [{ rows: 1e9 }, /its footer cannot be read \(row group 0 says it has 1000000000 values in 10 bytes/],
    [{ values: 2e9 }, /row group 0 says it has 2000000000 values/],
    [{ rows: 1e9, compressedBytes: 1e15 }, /row group 0 says it has 1000000000 values in \d\d\d bytes/],
    [{ rows: -1 }, /row group 0 has -1 rows/],
    [{ children: 1e9 }, /element 0 of its schema has 1000000000 children/],
    [{ children: 2 }, /1 elements of its schema are missing/],
    [{ children: 0 }, /its schema ends at element 1 of 2/],
    [{ groups: 2e9 }, /a list of 2000000000 elements is longer than it/],
    [{ schemaElements: 3e7 }, /a list of 30000000 elements is longer than it/],
  ])('with %o is refused', async (claims, message) => {
    const path = await temp.write('claims.parquet', claimedParquet(claims));
    await expect(documentsOf(path)).rejects.toEqual(refused(message));
  });

  const [plain, dictionary, deltaLength, deltaStrings] = [0, 8, 6, 7];
  const bytesOf = (data: readonly number[]): [number, number][] => [
    [2, data.length],
    [3, data.length],
  ];
  const first = (values: number, encoding: number, data: readonly number[]): ParquetPage => ({
    header: [
      [1, 0],
      ...bytesOf(data),
      [
        5,
        [
          [1, values],
          [2, encoding],
        ],
      ],
    ],
    data,
  });
  const second = (
    values: number,
    encoding: number,
    levels: readonly number[],
    data: readonly number[],
  ): ParquetPage => ({
    header: [
      [1, 3],
      ...bytesOf([...levels, ...data]),
      [
        8,
        [
          [1, values],
          [2, 0],
          [3, values],
          [4, encoding],
          [5, levels.length],
          [6, 0],
        ],
      ],
    ],
    data: [...levels, ...data],
  });
  /** Strings as they are: "a" and "b". */
  const ab = [1, 0, 0, 0, 0x61, 1, 0, 0, 0, 0x62];
  /** Levels of two values that are there: a run, with its length before it in pages of version 1. */
  const both = [4, 1];
  const sized = (levels: readonly number[]) => [levels.length, 0, 0, 0, ...levels];
  const dictionaryPage: ParquetPage = {
    header: [
      [1, 2],
      ...bytesOf(ab),
      [
        7,
        [
          [1, 2],
          [2, 0],
        ],
      ],
    ],
    data: ab,
  };
  /** A number of five bytes: nearly 2^31. */
  const huge = [0xfe, 0xff, 0xff, 0xff, 0x0f];

  it.each<[string, ParquetPage[]]>([
    ['version 1', [first(2, plain, [...sized(both), ...ab])]],
    ['version 2', [second(2, plain, both, ab)]],
    ['a dictionary', [dictionaryPage, first(2, dictionary, [...sized(both), 1, 3, 2])]],
    ['a dictionary, version 2', [dictionaryPage, second(2, dictionary, both, [1, 3, 2])]],
    ['lengths', [first(2, deltaLength, [...sized(both), 128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 0x61, 0x62])]],
  ])('with pages of %s is read', async (_, pages) => {
    const path = await temp.write('pages.parquet', parquetOf(pages, 2));
    expect(await documentsOf(path)).toEqual(['a', 'b']);
  });

  const packed = (data: readonly number[]) => [...gzipSync(Buffer.from(data))];
  const unpackedBytes = (page: ParquetPage, bytes: number): ParquetPage => ({
    header: page.header.map(([id, value]) => (id === 2 ? [2, bytes] : [id, value])),
    data: page.data,
  });

  it.each<[string, RegExp, ParquetPage[]]>([
    [
      'a header without its counts',
      /page 0 does not say how many values/,
      [{ header: [[1, 3], ...bytesOf(ab), [8, -11]], data: ab }],
    ],
    [
      'a header whose counts are booleans',
      /page 0 does not say/,
      [{ header: [[1, 3], ...bytesOf(ab), [8, true]], data: ab }],
    ],
    [
      'a header of another kind',
      /page 0 does not say/,
      [{ ...second(2, plain, both, ab), header: [[1, 0], ...second(2, plain, both, ab).header.slice(1)] }],
    ],
    ['an unknown type', /page 0 is of the unknown type 9/, [{ header: [[1, 9], ...bytesOf(ab)], data: ab }]],
    [
      'a count of more than 32 bits',
      /a number that is too large/,
      [
        {
          header: [
            [1, 0],
            ...bytesOf(ab),
            [
              5,
              [
                [1, 2 ** 32 + 1],
                [2, 0],
              ],
            ],
          ],
          data: ab,
        },
      ],
    ],
    ['levels without end', /page 0 has a run of/, [second(2, plain, [...huge, 1], ab)]],
    ['levels without end, version 1', /page 0 has a run of/, [first(2, plain, [...sized([...huge, 1]), ...ab])]],
    ['places without end', /page 1 has a run of/, [dictionaryPage, second(2, dictionary, both, [1, ...huge, 0])]],
    [
      'places of no bit without end',
      /page 1 has a run of/,
      [dictionaryPage, second(2, dictionary, both, [0, ...huge])],
    ],
    [
      'places of 200 bits',
      /page 1 has places of 200 bits/,
      [dictionaryPage, first(2, dictionary, [...sized(both), 200, 3, 2])],
    ],
    [
      'blocks of no part',
      /page 0 has blocks of 1 values in 0 parts/,
      [first(2, deltaStrings, [...sized(both), 1, 0, 2, 2])],
    ],
    [
      'blocks that lead back',
      /page 0 has blocks of/,
      [first(2, deltaLength, [...sized(both), 128, 1, 255, 255, 255, 255, 15, 2, 2])],
    ],
  ])('with a page of %s is refused', async (_, message, pages) => {
    const path = await temp.write('pages.parquet', parquetOf(pages, 2));
    await expect(documentsOf(path)).rejects.toEqual(refused(message));
  });

  it('with such runs behind compression is refused', async () => {
    const levels = [...sized([...huge, 1]), ...ab];
    const page = unpackedBytes(first(2, plain, packed(levels)), levels.length);
    const path = await temp.write('packed.parquet', parquetOf([page], 2, 'gzip'));
    await expect(documentsOf(path)).rejects.toEqual(refused(/row group 0 cannot be read \(page 0 has a run of/));
    const whole = [...sized(both), ...ab];
    const good = unpackedBytes(first(2, plain, packed(whole)), whole.length);
    expect(await documentsOf(await temp.write('good.parquet', parquetOf([good], 2, 'gzip')))).toEqual(['a', 'b']);
  });
});

describe('.zst', () => {
  const magic = [0x28, 0xb5, 0x2f, 0xfd];
  const wide = Uint8Array.from([...magic, 0x00, 0xa0, 0x01, 0x00, 0x00, 0x61]);
  const single = Uint8Array.from([...magic, 0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0x01, 0x00, 0x00]);
  const skippable = Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7]);

  it.each([
    ['a window of 1 GB', [wide]],
    ['contents of 1 GB in one segment', [single]],
    ['such a frame after one to skip', [skippable, wide]],
  ])('with %s is refused', async (_, parts) => {
    const path = await temp.write('window.txt.zst', Buffer.concat(parts));
    await expect(documentsOf(path)).rejects.toEqual(refused(/a frame asks for a window of 1073741824 bytes/));
  });

  it('with such a frame after good ones is refused, whatever the pieces', async () => {
    const good = await readFile(goldenPath('texts.jsonl.zst'));
    const bytes = Buffer.concat([good, skippable, good, wide]);
    for (const size of [1, 2, 3, 17, 1000, bytes.length]) {
      const frames = new ZstdFrames();
      let read = 0;
      const pushAll = () => {
        for (; read < bytes.length; read += size) frames.push(bytes.subarray(read, read + size));
      };
      expect(pushAll, `pieces of ${size}`).toThrow(/a window of 1073741824 bytes/);
      expect(read + size).toBeGreaterThan(bytes.length - wide.length);
    }
  });
});

describe('.jsonl', () => {
  it('with a line of more than 64 Mi characters is refused', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('{"text":"a"}\n{"text":"'), Buffer.alloc(2 ** 26, 'a')]));
    expect(bomb.length).toBeLessThan(100_000);
    const path = await temp.write('bomb.jsonl.gz', bomb);
    await expect(documentsOf(path)).rejects.toEqual(
      refused(/bomb\.jsonl\.gz:2: expected lines of at most 67108864 characters, found a longer one; split/),
    );
  });

  it.each([
    ['[', 'more than 100 levels'],
    ['{"text":', 'more than 100 levels'],
    ['[0,', 'more than 100 levels'],
  ])('with a line of two million "%s" is refused', async (part, message) => {
    const path = await temp.write('deep.jsonl', part.repeat(2e6 / part.length));
    await expect(documentsOf(path)).rejects.toEqual(refused(new RegExp(`deep\\.jsonl:1: .*${message}`)));
  });
});
