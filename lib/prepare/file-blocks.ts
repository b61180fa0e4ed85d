// The bytes of an input file, block by block, decompressed where its name ends with .gz or .zst. What they mean is left
// to text-reader.ts.

import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BurgeonError } from '../errors.ts';
import { decompressZstd, zstdErrorCode } from './zstd-blocks.ts';

/** Block size: large enough that the cost per block vanishes, small enough to hold many. */
const defaultBlockBytes = 1 << 17;

export interface ReadBlocksOptions {
  /** Told how many bytes of the file, compressed as they are, were read, after every block. */
  onRead?: ((nBytes: number) => void) | undefined;
  /** Bytes per read. */
  blockBytes?: number | undefined;
}

const compressions = ['.gz', '.zst'] as const;
type Compression = (typeof compressions)[number];

/** "a.jsonl.gz" -> ['.jsonl', '.gz'], in lower case: what a file holds, and how it is compressed, if it is. */
export function extensionsOf(path: string): [kind: string, compression: Compression | undefined] {
  const last = extname(path).toLowerCase();
  const compression = compressions.find((extension) => extension === last);
  if (!compression) return [last, undefined];
  return [extname(path.slice(0, -compression.length)).toLowerCase(), compression];
}

/**
 * The blocks of a file, none of them empty.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, or is compressed and damaged or cut off.
 */
export async function* readBlocks(path: string, options: ReadBlocksOptions = {}): AsyncGenerator<Buffer> {
  const [, compression] = extensionsOf(path);
  const stored = readStored(path, options);
  try {
    if (compression === '.gz') yield* gunzip(stored);
    else if (compression === '.zst') yield* decompressZstd(stored, path);
    else yield* stored;
  } catch (cause) {
    const { code, message } = cause as Error & { code?: unknown };
    const isFormatError = typeof code === 'string' && (code.startsWith('Z_') || code === zstdErrorCode);
    if (!isFormatError) throw cause;
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected ${compression === '.gz' ? 'gzip' : 'Zstandard'} data that is whole, but ${message}; the file is ` +
        'damaged or cut off, fetch or compress it again',
      { cause },
    );
  }
}

async function* readStored(path: string, options: ReadBlocksOptions): AsyncGenerator<Buffer> {
  for await (const block of readFile(path, options.blockBytes ?? defaultBlockBytes)) {
    options.onRead?.(block.length);
    yield block;
  }
}

async function* readFile(path: string, highWaterMark: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** Node decompresses in its thread pool, while this thread works on the block before. */
function gunzip(stored: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // The error of either side ends the iteration; the callback only keeps it from being thrown twice.
  return pipeline(stored, createGunzip({ chunkSize: defaultBlockBytes }), () => {});
}
