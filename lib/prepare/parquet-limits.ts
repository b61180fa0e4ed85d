// A parquet footer, checked before the package hyparquet makes arrays as long as it says: its lists are walked, its
// schema is a tree, and no row group claims more rows than its bytes can hold. Its pages are parquet-pages.ts. Sources: the Thrift
// compact protocol, and parquet.thrift of apache/parquet-format.

import type { AsyncBuffer, FileMetaData } from 'hyparquet';

/** Footers have a few hundred bytes for each column of a row group. */
const maxFooterBytes = 2 ** 26;
const maxLevels = 32;
/** Rows that may take less than a byte each: as many equal ones are a few bytes. */
const freeRows = 2 ** 20;

/** @throws {Error} for a footer that is none, or whose lists are longer than it is. */
export async function checkFooter(file: AsyncBuffer): Promise<void> {
  const { byteLength } = file;
  if (byteLength < 12) throw new Error(`${byteLength} bytes are too few`);
  const tail = new DataView(await file.slice(byteLength - 8, byteLength));
  const length = tail.getUint32(0, true);
  if (tail.getUint32(4, true) !== 0x31524150) throw new Error('it does not end with PAR1');
  if (length > Math.min(maxFooterBytes, byteLength - 8)) throw new Error(`it has a length of ${length} bytes`);
  const walk = new ThriftWalk(new Uint8Array(await file.slice(byteLength - 8 - length, byteLength - 8)));
  walk.struct(0);
}

/** @throws {Error} for a schema that is no tree, or more rows than there can be. */
export function checkMetadata({ schema, row_groups }: FileMetaData, fileBytes: number): void {
  let open = 1;
  for (const [at, { num_children: children = 0 }] of schema.entries()) {
    if (open === 0) throw new Error(`its schema ends at element ${at} of ${schema.length}`);
    if (!Number.isInteger(children) || children < 0 || children > schema.length) {
      throw new Error(`element ${at} of its schema has ${children} children`);
    }
    open += children - 1;
  }
  if (open !== 0) throw new Error(`${open} elements of its schema are missing`);
  for (const [group, { num_rows, columns }] of row_groups.entries()) {
    const rows = Number(num_rows);
    if (!Number.isSafeInteger(rows) || rows < 0) throw new Error(`row group ${group} has ${num_rows} rows`);
    for (const { meta_data } of columns) {
      const bytes = Math.min(Number(meta_data?.total_compressed_size ?? 0), fileBytes);
      const values = Number(meta_data?.num_values ?? 0);
      const most = Math.max(rows, values);
      if (most > Math.max(freeRows, 8 * bytes)) {
        throw new Error(`row group ${group} says it has ${most} values in ${bytes} bytes`);
      }
    }
  }
}

/** Integers of 32 bits, booleans and structs among the fields of a struct, by their ids; of a field that comes twice, what comes last. */
export type Fields = Map<number, number | boolean | Fields>;

/** Reads past every field of a Thrift struct. */
export class ThriftWalk {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  struct(level: number): void {
    this.fields(level);
  }

  fields(level: number): Fields {
    if (level > maxLevels) throw new Error(`it has more than ${maxLevels} levels`);
    const fields: Fields = new Map();
    for (let id = 0; ; ) {
      const head = this.byte();
      const type = head & 0x0f;
      if (type === 0) return fields;
      id = head >> 4 === 0 ? this.#integer() : id + (head >> 4);
      fields.delete(id);
      if (type === 4 || type === 5) fields.set(id, this.#integer());
      else if (type === 12) fields.set(id, this.fields(level + 1));
      // Booleans are in the type of the field.
      else if (type <= 2) fields.set(id, type === 1);
      else this.#value(type, level);
    }
  }

  #value(type: number, level: number): void {
    // Of a list: a boolean is a byte there.
    if (type <= 3) this.skip(1);
    else if (type <= 6) this.varint();
    else if (type === 7) this.skip(8);
    else if (type === 8) this.skip(this.varint());
    else if (type === 9 || type === 10) this.#list(level + 1);
    else if (type === 12) this.struct(level + 1);
    else throw new Error(`byte ${this.#at} of it has no known type`);
  }

  #list(level: number): void {
    if (level > maxLevels) throw new Error(`it has more than ${maxLevels} levels`);
    const head = this.byte();
    const short = head >> 4;
    const count = short === 15 ? this.varint() : short;
    // Every element has a byte at least.
    if (count > this.#bytes.length - this.#at) throw new Error(`a list of ${count} elements is longer than it`);
    for (let i = 0; i < count; i++) this.#value(head & 0x0f, level);
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('it ends within a value');
    return byte;
  }

  skip(count: number): void {
    if (count > this.left) throw new Error('it ends within a value');
    this.#at += count;
  }

  /** The next bytes, which are not copied. */
  take(count: number): Uint8Array {
    this.skip(count);
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Of 32 bits at most: hyparquet drops those above, and would read another one. */
  #integer(): number {
    const value = this.varint();
    if (value >= 2 ** 32) throw new Error(`byte ${this.#at} of it belongs to a number that is too large`);
    return zigzag(value);
  }

  /** Seven bits a byte, the lowest first. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new Error(`byte ${this.#at} of it belongs to a number that is too long`);
  }
}

/** 0, -1, 1, -2, ... of 0, 1, 2, 3, ... */
function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
