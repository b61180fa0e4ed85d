// Files that say they hold far more than they do: refused before anything of that size is made.

import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ZstdFrames } from '../../lib/prepare/zstd-frames.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { type Claims, claimedParquet } from '../helpers/parquet.ts';
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
