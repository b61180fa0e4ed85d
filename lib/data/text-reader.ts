// Text files in pieces: UTF-8 bytes to strings, one block at a time. Invalid bytes become U+FFFD and are counted, a
// byte order mark at the start is dropped, and a binary file is refused. What a document is, is left to documents.ts.

import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { BurgeonError } from '../errors.ts';

/** Block size: large enough that the cost per block vanishes, small enough to hold many. */
const defaultBlockBytes = 1 << 18;

export interface ReadTextOptions {
  /** Told how many U+FFFD were put in for invalid bytes, whenever there were any. */
  onInvalid?: ((count: number) => void) | undefined;
  /** Told how many bytes were read, after every block. */
  onRead?: ((nBytes: number) => void) | undefined;
  /** Bytes per read. */
  blockBytes?: number | undefined;
}

/**
 * The text of a file, in order, in pieces that never cut a character.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read or looks binary.
 */
export async function* readText(path: string, options: ReadTextOptions = {}): AsyncGenerator<string> {
  const decoder = new Utf8Decoder();
  let isFirst = true;
  let reported = 0;
  const finish = (text: string): string => {
    if (decoder.invalid > reported) options.onInvalid?.(decoder.invalid - reported);
    reported = decoder.invalid;
    const withoutMark = isFirst && text.startsWith('\uFEFF') ? text.slice(1) : text;
    if (text !== '') isFirst = false;
    return withoutMark;
  };

  for await (const block of readBlocks(path, options.blockBytes ?? defaultBlockBytes)) {
    options.onRead?.(block.length);
    const text = finish(decoder.push(block));
    if (text !== '') yield text;
  }
  const rest = finish(decoder.end());
  if (rest !== '') yield rest;
}

async function* readBlocks(path: string, blockBytes: number): AsyncGenerator<Buffer> {
  let isFirst = true;
  try {
    for await (const block of createReadStream(path, { highWaterMark: blockBytes }) as AsyncIterable<Buffer>) {
      if (isFirst) requireText(path, block);
      isFirst = false;
      yield block;
    }
  } catch (cause) {
    if (cause instanceof BurgeonError) throw cause;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** UTF-8 text has no zero bytes; archives, images and UTF-16 have some near the start. */
function requireText(path: string, block: Buffer): void {
  const zeroAt = block.subarray(0, 4096).indexOf(0);
  if (zeroAt < 0) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected UTF-8 text, found a zero byte at offset ${zeroAt}; decompress the file or convert it to UTF-8 ` +
      'first, or leave it out',
  );
}

/** Decodes UTF-8 that arrives in blocks, counting the replacement characters it has to put in. */
export class Utf8Decoder {
  /** U+FFFD put in so far for bytes that are not UTF-8. A U+FFFD that the text has does not count. */
  invalid = 0;
  #held: Buffer = Buffer.alloc(0);

  push(block: Buffer): string {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, block]) : block;
    const end = bytes.length - unfinishedBytes(bytes);
    // A copy, as the reader may use the memory of its block again.
    this.#held = Buffer.from(bytes.subarray(end));
    return this.#decode(bytes.subarray(0, end));
  }

  end(): string {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return this.#decode(rest);
  }

  #decode(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    // The exact count is rarely needed; the check is much faster than it.
    if (!isUtf8(bytes)) this.invalid += count(text, '\uFFFD') - count(bytes, Buffer.from('\uFFFD'));
    return text;
  }
}

/** Length of a sequence at the end that the next block may complete: 0 to 3 bytes. */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? back : 0;
  }
  return 0;
}

function count<Text extends string | Buffer>(text: Text, part: Text): number {
  let found = 0;
  // Both strings and buffers have this method, with the same meaning.
  const { indexOf } = text as { indexOf(part: Text, from: number): number };
  for (let at = indexOf.call(text, part, 0); at >= 0; at = indexOf.call(text, part, at + part.length)) found++;
  return found;
}
