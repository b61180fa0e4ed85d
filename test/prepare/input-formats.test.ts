// Compressed text and .parquet: what is read, and what is said about files that are damaged.

import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, vi } from 'vitest';
import { readDocuments } from '../../lib/prepare/documents.ts';
import { importOptional } from '../../lib/prepare/optional-package.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { documentsOf } from './documents-of.ts';
import { goldenPath, goldenTexts } from './golden-texts.ts';

const temp = useTempDirectory();

const dataError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

const jsonLines = goldenTexts.map((text) => `${JSON.stringify({ text })}\n`).join('');

describe('compressed files', () => {
  it.each([[1], [17], [1 << 18]])(
    'reads .jsonl.gz of several members and .jsonl.zst of several frames, %i bytes at a time',
    async (blockBytes) => {
      const half = jsonLines.length >> 1;
      const members = [gzipSync(jsonLines.slice(0, half)), gzipSync(jsonLines.slice(half))];
      const gz = await temp.write('texts.jsonl.gz', Buffer.concat(members));
      expect(await documentsOf(gz, { blockBytes })).toEqual(goldenTexts);
      expect(await documentsOf(goldenPath('texts.jsonl.zst'), { blockBytes })).toEqual(goldenTexts);
    },
  );

  it('reads compressed .txt and .md, and counts the bytes on disk', async () => {
    const bytes = gzipSync(goldenTexts.join(''));
    for (const name of ['all.txt.gz', 'ALL.MD.GZ']) {
      const path = await temp.write(name, bytes);
      let nBytes = 0;
      const onRead = (count: number) => {
        nBytes += count;
      };
      expect(await documentsOf(path, { onRead })).toEqual([goldenTexts.join('')]);
      expect(nBytes).toBe(bytes.length);
      expect(await documentsOf(path, { delimiter: '\n' })).toEqual([
        ...goldenTexts.map((text) => text.slice(0, -1)),
        '',
      ]);
    }
  });

  it('names the line of a bad document', async () => {
    const path = await temp.write('a.jsonl.gz', gzipSync('{"text": "a"}\n\n{"text": 1}\n'));
    await expect(documentsOf(path)).rejects.toThrow(dataError(/a\.jsonl\.gz:3: .*field "text" is of type number/));
  });

  it('says so when the file is cut off, wherever it is', async () => {
    const whole = { gz: gzipSync(jsonLines), zst: await readFile(goldenPath('texts.jsonl.zst')) };
    for (const [extension, bytes] of Object.entries(whole)) {
      for (const share of [0.0005, 0.01, 0.3, 0.7, 0.99, 0.99995]) {
        const path = await temp.write(`cut.jsonl.${extension}`, bytes.subarray(0, Math.floor(share * bytes.length)));
        await expect(documentsOf(path), `${extension} ${share}`).rejects.toThrow(
          dataError(/cut\.jsonl\.\w+: expected (gzip|Zstandard) data that is whole, but .*damaged or cut off/),
        );
      }
    }
  });

  it.each(['gz', 'zst'])('says so when a .%s file is something else', async (extension) => {
    const path = await temp.write(`plain.jsonl.${extension}`, jsonLines);
    await expect(documentsOf(path)).rejects.toThrow(dataError(/plain\.jsonl\.\w+: expected .* data that is whole/));
  });
});

describe('.parquet', () => {
  it.each(['zstd', 'snappy'])('reads a file of pyarrow, compressed with %s, group by group', async (codec) => {
    const path = goldenPath(`texts-${codec}.parquet`);
    const reads: number[] = [];
    expect(await documentsOf(path, { onRead: (count) => reads.push(count) })).toEqual(goldenTexts);
    expect(reads.reduce((sum, count) => sum + count)).toBe((await readFile(path)).length);
    expect(reads).toHaveLength(4);
  });

  const parquet = (data: unknown[], name = 'text', type: 'STRING' | 'BYTE_ARRAY' | 'INT32' = 'STRING') =>
    Buffer.from(
      parquetWriteBuffer({ columnData: [{ name, data: data as string[], type, nullable: true }], rowGroupSize: 2 }),
    );

  it('reads another column, and cuts long texts into pieces', async () => {
    const long = '🤯'.repeat(300_001);
    const path = await temp.write('a.parquet', parquet(['', long, 'x'], 'content'));
    expect(await documentsOf(path, { textColumn: 'content' })).toEqual(['', long, 'x']);
    let pieces = 0;
    for await (const { text } of readDocuments(path, { textColumn: 'content' })) {
      expect(text).not.toMatch(/\p{Surrogate}/u);
      pieces++;
    }
    expect(pieces).toBe(5);
  });

  it('replaces and counts invalid UTF-8', async () => {
    const path = await temp.write(
      'a.parquet',
      parquet([Buffer.of(0x61, 0xff), Buffer.from('ö')], 'text', 'BYTE_ARRAY'),
    );
    const onInvalid = vi.fn();
    expect(await documentsOf(path, { onInvalid })).toEqual(['a\uFFFD', 'ö']);
    expect(onInvalid.mock.calls).toEqual([[1]]);
  });

  it('names row group and row of what is no string', async () => {
    const withNull = await temp.write('null.parquet', parquet(['a', 'b', 'c', null]));
    await expect(documentsOf(withNull)).rejects.toThrow(
      dataError(/null\.parquet: row group 1, row 1: expected a string in column "text", found null/),
    );
    const numbers = await temp.write('numbers.parquet', parquet([1, 2], 'text', 'INT32'));
    await expect(documentsOf(numbers)).rejects.toThrow(
      dataError(/numbers\.parquet: expected strings in column "text", found the type INT32/),
    );
    await expect(documentsOf(goldenPath('texts-zstd.parquet'), { textColumn: 'meta' })).rejects.toThrow(
      dataError(/texts-zstd\.parquet: expected strings in column "meta", found lists or structures/),
    );
  });

  it('lists the columns when the one asked for is missing', async () => {
    await expect(documentsOf(goldenPath('texts-zstd.parquet'), { textColumn: 'body' })).rejects.toThrow(
      dataError(/expected a column "body" with the text, found "id", "meta", "text"/),
    );
  });

  it('says what is damaged', async () => {
    const bytes = await readFile(goldenPath('texts-zstd.parquet'));
    const cut = await temp.write('cut.parquet', bytes.subarray(0, bytes.length - 100));
    await expect(documentsOf(cut)).rejects.toThrow(dataError(/cut\.parquet: expected a parquet file, but its footer/));
    const none = await temp.write('none.parquet', '');
    await expect(documentsOf(none)).rejects.toThrow(
      dataError(/none\.parquet: expected a parquet file, but its footer/),
    );
    const garbled = await temp.write('garbled.parquet', Buffer.from(bytes).fill(0x55, 20_000, 25_000));
    await expect(documentsOf(garbled)).rejects.toThrow(dataError(/garbled\.parquet: .* row group 1 cannot be read/));
  });
});

it.each(['toString', '__proto__', 'constructor'])(
  'takes %s for no field of a line that lacks it',
  async (textColumn) => {
    const path = await temp.write('a.jsonl', '{"text": "a"}\n');
    await expect(documentsOf(path, { textColumn })).rejects.toThrow(dataError(/field ".*" is missing/));
  },
);

it('names the command that installs a package that is missing', async () => {
  const missing = () => Promise.reject(Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' }));
  await expect(importOptional('hyparquet hyparquet-compressors', missing, 'a.parquet')).rejects.toThrow(
    dataError(/a\.parquet: .* not installed; install it with `npm install hyparquet hyparquet-compressors`/),
  );
  const broken = () => Promise.reject(new SyntaxError('bad'));
  await expect(importOptional('fzstd', broken, 'a.zst')).rejects.toThrow(SyntaxError);
});
