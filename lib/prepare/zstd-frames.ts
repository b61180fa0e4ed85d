// What a Zstandard stream asks for, before it is given it: the header of every frame names a window, which the decoder
// takes at once, up to 2 GB for ten bytes. Source: RFC 8878, section 3.1.

/** The window that `zstd` itself accepts without being told to: level 22 has it. */
const maxWindowBytes = 2 ** 27;
/** The longest header of a frame, magic number included. */
const mostHeaderBytes = 18;

/** Follows the frames of a stream, which may come in any pieces. */
export class ZstdFrames {
  /** The beginning of a header whose end has not come. */
  #held: Uint8Array = new Uint8Array();
  /** Bytes to pass over until the next header. */
  #skip = 0;
  /** What comes next; after the last block of a frame, a checksum it may have, and another frame. */
  #next: 'frame' | 'block' = 'frame';
  #checksumBytes = 0;

  /** @throws {Error} for a window that is too large. What is no Zstandard is left to the decoder. */
  push(piece: Uint8Array): void {
    let bytes = piece;
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
      if (bytes.length === 0) return;
      const header = Uint8Array.from([...this.#held, ...bytes.subarray(0, mostHeaderBytes)]);
      const used = this.#next === 'frame' ? this.#readFrame(header) : this.#readBlock(header);
      if (used === undefined) {
        this.#held = header;
        return;
      }
      bytes = bytes.subarray(used - this.#held.length);
      this.#held = new Uint8Array();
    }
  }

  /** @returns bytes of the header; undefined where more are needed. */
  #readFrame(bytes: Uint8Array): number | undefined {
    if (bytes.length < 5) return undefined;
    const view = new DataView(bytes.buffer);
    const magic = view.getUint32(0, true);
    if (magic >>> 4 === 0x184d2a5) {
      if (bytes.length < 8) return undefined;
      this.#skip = view.getUint32(4, true);
      return 8;
    }
    const flags = bytes[4]!;
    const isSingle = (flags & 0x20) !== 0;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
    const sizeAt = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][flags & 3]!;
    if (bytes.length < sizeAt + sizeBytes) return undefined;
    let size = 0;
    for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + bytes[sizeAt + i]!;
    const unit = 2 ** (10 + (bytes[5]! >> 3));
    const window = isSingle ? size : unit + (unit / 8) * (bytes[5]! & 7);
    if (window > maxWindowBytes) {
      throw new Error(
        `a frame asks for a window of ${window} bytes, at most ${maxWindowBytes} are given; compress it without --long`,
      );
    }
    this.#checksumBytes = (flags & 4) !== 0 ? 4 : 0;
    this.#next = 'block';
    return sizeAt + sizeBytes;
  }

  #readBlock(bytes: Uint8Array): number | undefined {
    if (bytes.length < 3) return undefined;
    const header = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16);
    const isRun = ((header >> 1) & 3) === 1;
    this.#skip = isRun ? 1 : header >> 3;
    if ((header & 1) !== 0) {
      this.#skip += this.#checksumBytes;
      this.#next = 'frame';
    }
    return 3;
  }
}
