// Parquet files whose footer says whatever a test wants: a writer of the Thrift compact protocol, as small as it can be.

type Field = readonly [id: number, type: number, bytes: readonly number[]];

const [i32, i64, binary, list, structure] = [5, 6, 8, 9, 12];

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** Zigzag. */
function integer(value: number): number[] {
  return varint(value < 0 ? -2 * value - 1 : 2 * value);
}

function text(value: string): number[] {
  return [...varint(Buffer.byteLength(value)), ...Buffer.from(value)];
}

/** @param count what it says of its length. */
function listOf(type: number, items: number[][], count = items.length): number[] {
  return [0xf0 + type, ...varint(count), ...items.flat()];
}

function struct(fields: readonly Field[]): number[] {
  let last = 0;
  const bytes = fields.flatMap(([id, type, value]) => {
    const delta = id - last;
    last = id;
    return [(delta << 4) + type, ...value];
  });
  return [...bytes, 0];
}

export interface Claims {
  /** Of the row group. */
  rows?: number;
  values?: number;
  /** Of the root of the schema. */
  children?: number;
  /** Length of the list of row groups. */
  groups?: number;
  compressedBytes?: number;
  schemaElements?: number;
  /** 0: none, 2: gzip. */
  codec?: number;
}

/** A page of a column that may hold nulls: its header as numbers and structs by field, and its bytes. */
export interface ParquetPage {
  header: PageHeader;
  data: readonly number[];
}
export type PageHeader = readonly (readonly [id: number, value: number | boolean | PageHeader])[];

function pageHeader(fields: PageHeader): number[] {
  return struct(
    fields.map(([id, value]): Field => {
      if (typeof value === 'boolean') return [id, value ? 1 : 2, []];
      return typeof value === 'number' ? [id, i32, integer(value)] : [id, structure, pageHeader(value)];
    }),
  );
}

/** A file with one column "text" of one row group with `values` values. */
export function parquetOf(pages: readonly ParquetPage[], values: number, codec: 'none' | 'gzip' = 'none'): Buffer {
  const bytes = pages.flatMap(({ header, data }) => [...pageHeader(header), ...data]);
  return claimedParquet({ rows: values, compressedBytes: bytes.length, codec: codec === 'none' ? 0 : 2 }, bytes);
}

/** A file with one column "text" and one row group, with whatever bytes it is said to have. */
export function claimedParquet(
  { rows = 1, values = rows, children = 1, groups = 1, compressedBytes = 10, schemaElements = 2, codec = 0 }: Claims,
  bytes: readonly number[] = [],
): Buffer {
  const column = struct([
    [1, i32, integer(6)],
    [2, list, listOf(i32, [integer(0)])],
    [3, list, listOf(binary, [text('text')])],
    [4, i32, integer(codec)],
    [5, i64, integer(values)],
    [6, i64, integer(compressedBytes + 1000)],
    [7, i64, integer(compressedBytes)],
    [9, i64, integer(4)],
  ]);
  const chunk = struct([
    [2, i64, integer(4)],
    [3, structure, column],
  ]);
  const root = struct([
    [4, binary, text('schema')],
    [5, i32, integer(children)],
  ]);
  const leaf = struct([
    [1, i32, integer(6)],
    [3, i32, integer(1)],
    [4, binary, text('text')],
    [6, i32, integer(0)],
  ]);
  const group = struct([
    [1, list, listOf(structure, [chunk])],
    [2, i64, integer(compressedBytes)],
    [3, i64, integer(rows)],
  ]);
  const footer = struct([
    [1, i32, integer(1)],
    [2, list, listOf(structure, [root, leaf], schemaElements)],
    [3, i64, integer(rows)],
    [4, list, listOf(structure, [group], groups)],
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from('PAR1'), Buffer.from(bytes), Buffer.from(footer), length, Buffer.from('PAR1')]);
}
