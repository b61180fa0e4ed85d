// UTF-8 that may not be: invalid bytes become U+FFFD, and are counted so that the user can be told.

import { isUtf8 } from 'node:buffer';

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

  /** Decodes a text that is there as a whole, beside those that arrive in blocks. */
  decodeWhole(bytes: Uint8Array): string {
    return this.#decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
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
