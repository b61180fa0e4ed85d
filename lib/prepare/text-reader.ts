// Text files in pieces: UTF-8 bytes to strings, one block at a time. A byte order mark at the start is dropped, and a
// binary file is refused. What a document is, is left to documents.ts.

import { BurgeonError } from '../errors.ts';
import { type ReadBlocksOptions, readBlocks } from './file-blocks.ts';
import { Utf8Decoder } from './utf8-decoder.ts';

export interface ReadTextOptions extends ReadBlocksOptions {
  /** Told how many U+FFFD were put in for invalid bytes, whenever there were any. */
  onInvalid?: ((count: number) => void) | undefined;
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

  let isFirstBlock = true;
  for await (const block of readBlocks(path, options)) {
    if (isFirstBlock) requireText(path, block);
    isFirstBlock = false;
    const text = finish(decoder.push(block));
    if (text !== '') yield text;
  }
  const rest = finish(decoder.end());
  if (rest !== '') yield rest;
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
