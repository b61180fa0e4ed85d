// Goes through the lines of a file of any size without making strings of them: a metrics file may have a million.

import { open } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { isMissing } from './is-missing.ts';
import { refusePipe } from './path-kinds.ts';

const chunkBytes = 4 << 20;

/** One line: bytes `begin` to `end` - 1 of `chunk`, which is overwritten after the call. */
export interface FileLine {
  chunk: Buffer;
  begin: number;
  end: number;
  /** Where the line begins in the file. */
  offset: number;
  /** Whether it ends with a line break, as all but a torn last line do. */
  isWhole: boolean;
}

/**
 * Calls `onLine` for every line in order, until it returns false; the same object each time.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read; ENOENT when it is missing.
 */
export async function scanLines(file: string, onLine: (line: FileLine) => unknown): Promise<void> {
  await refusePipe(file);
  const handle = await refusing(file, () => open(file));
  try {
    let buffer = Buffer.allocUnsafe(chunkBytes);
    let kept = 0;
    let position = 0;
    const line: FileLine = { chunk: buffer, begin: 0, end: 0, offset: 0, isWhole: true };
    for (;;) {
      // A line longer than the buffer: go on with a larger one.
      if (kept === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      const into = buffer;
      const { bytesRead } = await refusing(file, () => handle.read(into, kept, into.length - kept, position + kept));
      const filled = kept + bytesRead;
      line.chunk = buffer;
      let begin = 0;
      for (let end = buffer.indexOf(10); end >= 0 && end < filled; end = buffer.indexOf(10, begin)) {
        Object.assign(line, { begin, end, offset: position + begin, isWhole: true });
        if (onLine(line) === false) return;
        begin = end + 1;
      }
      if (bytesRead === 0) {
        if (begin < filled) onLine({ chunk: buffer, begin, end: filled, offset: position + begin, isWhole: false });
        return;
      }
      buffer.copyWithin(0, begin, filled);
      kept = filled - begin;
      position += begin;
    }
  } finally {
    await handle.close();
  }
}

async function refusing<Result>(file: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    if (isMissing(cause)) throw cause;
    throw new BurgeonError('ERR_BURGEON_DATA', `${file}: cannot be read (${(cause as Error).message})`, { cause });
  }
}
