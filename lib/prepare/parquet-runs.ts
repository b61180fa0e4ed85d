// The runs of a parquet page, walked without making the values they stand for: a run that claims more than the page has is found. Source:
// Encodings.md of apache/parquet-format.

import { ThriftWalk } from './parquet-limits.ts';

export class Runs {
  readonly #walk: ThriftWalk;
  readonly #page: number;

  /** @param page its number, for messages. */
  constructor(bytes: Uint8Array, page: number) {
    this.#walk = new ThriftWalk(bytes);
    this.#page = page;
  }

  /** Definition levels of one bit. @returns how many values are no nulls. */
  levels(values: number): number {
    return this.#hybrid(1, values);
  }

  /** The same after their length, of which they take no more. */
  sizedLevels(values: number): number {
    const walk = this.#walk;
    const bytes = new DataView(walk.take(4).slice().buffer).getUint32(0, true);
    const before = walk.left;
    const present = this.levels(values);
    const used = before - walk.left;
    if (bytes < used) throw new Error(`page ${this.#page} says its levels take ${bytes} bytes, of ${used}`);
    walk.skip(bytes - used);
    return present;
  }

  /**
   * Places in a dictionary, after the width of one.
   * @param isSecond whether there are runs also of places without a bit: hyparquet reads them in pages of version 2 only.
   */
  places(values: number, isSecond: boolean): void {
    const width = this.#walk.byte();
    if (width > 32) throw new Error(`page ${this.#page} has places of ${width} bits`);
    if (width > 0 || isSecond) this.#hybrid(width, values);
  }

  /** Lengths, packed as differences; twice: of what is shared with the string before, and of the rest. */
  differences(values: number, isTwice: boolean): void {
    for (let part = 0; part < (isTwice ? 2 : 1); part++) this.#deltas(values);
  }

  #hybrid(width: number, values: number): number {
    const walk = this.#walk;
    const valueBytes = (width + 7) >> 3;
    let ones = 0;
    for (let seen = 0; seen < values; ) {
      const head = walk.varint();
      if (head >= 2 ** 31) throw new Error(`page ${this.#page} has a run of more values than there can be`);
      const isPacked = head % 2 === 1;
      const count = isPacked ? (head >> 1) * 8 : head >> 1;
      const left = values - seen;
      // Packed values come in groups of eight, and have their bits each, if any.
      if (count > left + 7 || (!isPacked && count > left))
        throw new Error(`page ${this.#page} has a run of ${count} values, of ${left} left`);
      const bytes = walk.take(isPacked ? Math.ceil((count * width) / 8) : valueBytes);
      if (width === 1) ones += isPacked ? onesIn(bytes, Math.min(count, left)) : count * (bytes[0]! & 1);
      seen += count;
    }
    return ones;
  }

  #deltas(values: number): void {
    const walk = this.#walk;
    const [block, parts] = [walk.varint(), walk.varint()];
    if (!(parts >= 1 && block >= parts && block < 2 ** 31 && block % parts === 0)) {
      throw new Error(`page ${this.#page} has blocks of ${block} values in ${parts} parts`);
    }
    // The count once more, and the first value.
    walk.varint();
    walk.varint();
    for (let left = values - 1; left > 0; ) {
      walk.varint();
      for (const width of walk.take(parts)) {
        if (left <= 0) break;
        walk.skip(Math.floor(((block / parts) * width) / 8));
        left -= block / parts;
      }
    }
  }
}

/** Bits that are set among the first `count`, from the lowest of every byte on. */
function onesIn(bytes: Uint8Array, count: number): number {
  let ones = 0;
  for (let i = 0; i < count; i++) ones += (bytes[i >> 3]! >> (i & 7)) & 1;
  return ones;
}
