// Goes through the lines of a file of any size without making strings of them: a metrics file may have a million.

import { open } from 'node:fs/promises';

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
 * @throws what the file system says, such as ENOENT.
 */
export async function scanLines(file: string, onLine: (line: FileLine) => unknown): Promise<void> {
  const handle = await open(file);
  try {
    let buffer = Buffer.allocUnsafe(chunkBytes);
    let kept = 0;
    let position = 0;
    const line: FileLine = { chunk: buffer, begin: 0, end: 0, offset: 0, isWhole: true };
    for (;;) {
      // A line longer than the buffer: go on with a larger one.
      if (kept === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      const { bytesRead } = await handle.read(buffer, kept, buffer.length - kept, position + kept);
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
