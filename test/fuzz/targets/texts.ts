// Texts to prepare, in every format, damaged at random.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readDocuments } from '../../../lib/prepare/documents.ts';
import { claimedParquet } from '../../helpers/parquet.ts';
import { goldenPath, goldenTexts } from '../../prepare/golden-texts.ts';
import type { Random } from '../random.ts';
import type { Target } from '../targets.ts';

/** Reads whatever `make` gives, as a file whose name ends with `extension`. */
function texts(extension: string, open: () => Promise<(random: Random) => Uint8Array>): Target {
  return {
    async open(directory) {
      const make = await open();
      const path = join(directory, `damaged${extension}`);
      return async (random) => {
        await writeFile(path, make(random));
        const options = {
          delimiter: random.happens(0.2) ? '\n' : undefined,
          blockBytes: random.pick([200, 1000, 1 << 17]),
        };
        for await (const _ of readDocuments(path, options));
      };
    },
  };
}

const lines = goldenTexts.map((text) => `${JSON.stringify({ text })}\n`).join('');

export const textTrials: Record<string, Target> = {
  '.txt': texts('.txt', async () => (random) => random.damage(Buffer.from(goldenTexts.join('')))),
  '.jsonl': texts('.jsonl', async () => (random) => random.damage(Buffer.from(lines))),
  '.jsonl.gz': texts('.jsonl.gz', async () => {
    const [whole, raw] = [gzipSync(lines), deflateRawSync(lines)];
    return (random) => random.damage(random.happens(0.9) ? whole : raw);
  }),
  '.jsonl.zst': texts('.jsonl.zst', async () => {
    const whole = await readFile(goldenPath('texts.jsonl.zst'));
    // Headers are where the harm is.
    return (random) => {
      if (random.happens(0.5)) return random.damage(whole);
      return Buffer.concat([random.damage(whole.subarray(0, 32)), whole.subarray(32)]);
    };
  }),
  '.parquet': texts('.parquet', async () => {
    const files = await Promise.all(['zstd', 'snappy'].map((codec) => readFile(goldenPath(`texts-${codec}.parquet`))));
    const columnData = [{ name: 'text', data: ['a', 'b', 'a', 'ccc'], type: 'STRING' as const, nullable: true }];
    files.push(Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 2 })));
    return (random) => {
      if (random.happens(0.2)) {
        const number = () => random.pick([0, 1, 2, -1, 1000, 2 ** 20, 1e7, 1e9, 2 ** 31, 1e15]);
        const compressedBytes = number();
        return random.damage(
          claimedParquet({ rows: number(), values: number(), groups: random.below(3), compressedBytes }),
        );
      }
      const file = random.pick(files);
      const footer = Math.max(0, file.length - 8 - file.readUInt32LE(file.length - 8));
      if (random.happens(0.3)) return random.damage(file);
      // The pages, or the footer, one of whose bytes is changed.
      const at = random.happens(0.5) ? footer + random.below(file.length - footer - 8) : random.below(file.length);
      const changed = Buffer.from(file);
      changed[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      return changed;
    };
  }),
};
