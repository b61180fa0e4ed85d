// The pages of a parquet column of strings, checked before the package hyparquet decodes them: their headers, which lead from one to
// the next, and the runs in which levels and places in a dictionary are packed. A run may claim two thousand million values in five
// bytes, and hyparquet makes them all. Sources: parquet.thrift and Encodings.md of apache/parquet-format.

import { types } from 'node:util';
import type { ColumnMetaData, Compressors } from 'hyparquet';
import { type Fields, ThriftWalk } from './parquet-limits.ts';
import { Runs } from './parquet-runs.ts';

/** What the footer says of a column of a row group. */
export type ColumnSizes = Pick<ColumnMetaData, 'num_values' | 'total_uncompressed_size' | 'codec'>;

/**
 * The header of each kind of page, by the type of the page: a field of the page header, with its fields that count values, those that
 * count bytes of it, and the one that says how it is encoded: data (values), dictionary (values), and data of version 2 (values, nulls,
 * rows; definition and repetition levels).
 */
const pageKinds: Readonly<Record<number, PageKind>> = {
  0: { field: 5, counts: [1], lengths: [], encoding: 2 },
  2: { field: 7, counts: [1], lengths: [], encoding: undefined },
  3: { field: 8, counts: [1, 2, 3], lengths: [5, 6], encoding: 4 },
};

/** Of the header of a page of version 2; it is, unless that says no. */
const isCompressed = 7;

interface PageKind {
  field: number;
  counts: readonly number[];
  lengths: readonly number[];
  encoding: number | undefined;
}

/** How strings are encoded: as they are, as lengths or differences, or as places in a dictionary. */
const [plain, deltaLength, deltaStrings] = [0, 6, 7];
const dictionaries = [2, 8];

/** A page as its header describes it. */
interface Page {
  number: number;
  /** Undefined: a dictionary, which is plain. */
  encoding: number | undefined;
  values: number;
  /** Known before its values are unpacked: of version 2. */
  nulls: number | undefined;
}

/** Checks the pages of one column, in the order in which they are read. */
export class PageCheck {
  readonly #isOptional: boolean;
  /** To be unpacked yet. */
  #packed: Page[] = [];

  /** @param isOptional whether there may be nulls. */
  constructor(isOptional: boolean) {
    this.#isOptional = isOptional;
  }

  /**
   * @param bytes all pages of a row group, which are read next.
   * @throws {Error} where a page claims more than there is, leads back to itself, or lacks what says how it is read.
   */
  headers(bytes: Uint8Array, { num_values, total_uncompressed_size, codec }: ColumnSizes): void {
    this.#packed = [];
    const walk = new ThriftWalk(bytes);
    for (let number = 0; walk.left > 1; number++) {
      const header = walk.fields(0);
      const [unpacked, packed] = [header.get(2), header.get(3)];
      if (!isSize(packed, walk.left)) throw new Error(`page ${number} says it has ${packed} bytes of ${walk.left}`);
      if (!isSize(unpacked, Number(total_uncompressed_size))) {
        throw new Error(`page ${number} says it has ${unpacked} bytes unpacked, of ${total_uncompressed_size}`);
      }
      const { kind, part } = kindOf(header, number);
      const isSound =
        kind.counts.every((field) => isSize(part.get(field), Number(num_values))) &&
        kind.lengths.every((field) => isSize(part.get(field), packed));
      if (!isSound) throw new Error(`page ${number} says it has more than the ${num_values} values of its column`);
      const [values, nulls] = kind.counts.map((field) => part.get(field) as number) as [number, number?];
      const encoding =
        kind.encoding === undefined ? undefined : ((part.get(kind.encoding) as number | undefined) ?? -1);
      const page: Page = { number, encoding, values, nulls };
      const data = walk.take(packed);
      const [definition = 0, repetition = 0] = kind.lengths.map((field) => part.get(field) as number);
      if (repetition > 0) throw new Error(`page ${number} has lists`);
      const isSecond = kind.lengths.length > 0;
      if (isSecond && this.#isOptional) new Runs(data.subarray(0, definition), number).levels(values);
      if (codec === 'UNCOMPRESSED' || (isSecond && part.get(isCompressed) === false)) {
        this.#values(data.subarray(definition), page);
      } else this.#packed.push(page);
    }
  }

  /** The same decoders; what they unpack is checked. */
  unpacking(compressors: Compressors): Compressors {
    return Object.fromEntries(
      Object.entries(compressors).map(([codec, unpack]) => [
        codec,
        (input: Uint8Array, bytes: number) => {
          const unpacked = unpack!(input, bytes);
          const page = this.#packed.shift();
          if (page) this.#values(unpacked, page);
          return unpacked;
        },
      ]),
    );
  }

  #values(bytes: Uint8Array, page: Page): void {
    const { number, encoding, values, nulls } = page;
    if (encoding === undefined) return;
    const runs = new Runs(bytes, number);
    const present = nulls === undefined ? (this.#isOptional ? runs.sizedLevels(values) : values) : values - nulls;
    // Of strings as they are, every length is read before its string, up to the end of the page.
    if (encoding === plain) return;
    if (dictionaries.includes(encoding)) runs.places(present, nulls !== undefined);
    else if (encoding === deltaLength || encoding === deltaStrings)
      runs.differences(present, encoding === deltaStrings);
    else throw new Error(`page ${number} has the encoding ${encoding}, which is none of strings`);
  }
}

function kindOf(header: Fields, number: number): { kind: PageKind; part: Fields } {
  const type = header.get(1);
  const kind = typeof type === 'number' ? pageKinds[type] : undefined;
  if (kind === undefined) throw new Error(`page ${number} is of the unknown type ${type}`);
  const part = header.get(kind.field);
  if (types.isMap(part)) return { kind, part };
  throw new Error(`page ${number} does not say how many values it has`);
}

function isSize(value: unknown, most: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= most;
}
