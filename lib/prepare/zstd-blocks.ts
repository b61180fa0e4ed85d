// Zstandard in blocks, by the package fzstd: Node 20 has no decoder of its own. It streams, so a file of any size takes
// the memory of its window (8 MiB at the usual levels; zstd-frames.ts has the limit).

import { importOptional } from './optional-package.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** Bytes given to the decoder at once: it answers with all they decompress to, which may be thousands of times as much. */
const sliceBytes = 1 << 14;

/** `code` of what is thrown for data that cannot be decompressed. */
export const zstdErrorCode = 'ERR_ZSTD';

/**
 * The decompressed bytes of a .zst file, of any number of frames.
 * @param blocks the file.
 * @param path   its name, for messages.
 * @throws {Error} with `zstdErrorCode` when the data is damaged or ends early.
 */
export async function* decompressZstd(blocks: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer> {
  const { Decompress } = await importOptional('fzstd', () => import('fzstd'), path);
  let ready: Buffer[] = [];
  let isComplete = false;
  const decoder = new Decompress((data, isLast) => {
    isComplete = isLast === true;
    if (data.length > 0) ready.push(Buffer.from(data.buffer, data.byteOffset, data.length));
  });
  const frames = new ZstdFrames();
  const push = (bytes: Uint8Array, isLast = false): void => {
    try {
      frames.push(bytes);
      decoder.push(bytes, isLast);
    } catch (cause) {
      throw failure((cause as Error).message);
    }
  };
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += sliceBytes) {
      // A copy: the decoder keeps what it cannot use yet.
      push(Uint8Array.from(block.subarray(at, at + sliceBytes)));
      yield* ready;
      ready = [];
    }
  }
  push(new Uint8Array(0), true);
  if (!isComplete) throw failure('unexpected end of file');
}

function failure(message: string): Error {
  return Object.assign(new Error(message), { code: zstdErrorCode });
}
