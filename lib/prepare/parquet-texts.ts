// The strings of one column of a .parquet file, by the packages hyparquet and hyparquet-compressors. One row group of
// that column is in memory at a time.

import { type FileHandle, open } from 'node:fs/promises';
import type { AsyncBuffer, FileMetaData, SchemaElement } from 'hyparquet';
import { BurgeonError } from '../errors.ts';
import { listNames } from '../quote.ts';
import { importOptional } from './optional-package.ts';
import { checkFooter, checkMetadata } from './parquet-limits.ts';
import { PageCheck } from './parquet-pages.ts';
import { Utf8Decoder } from './utf8-decoder.ts';

export interface ReadParquetOptions {
  /** Column that holds the text. */
  column: string;
  /** Told how many bytes of the file are done with, after every row group; in all, the size of the file. */
  onRead?: ((nBytes: number) => void) | undefined;
  /** Told how many U+FFFD were put in for invalid bytes, whenever there were any. */
  onInvalid?: ((count: number) => void) | undefined;
}

/**
 * The texts of a file, in the order of its rows.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, is no parquet file or is damaged, lacks the
 *   column, or holds something else than a string in it; or when the packages are missing.
 */
export async function* readParquetTexts(path: string, options: ReadParquetOptions): AsyncGenerator<string> {
  const packages = 'hyparquet hyparquet-compressors';
  const { parquetMetadataAsync, parquetReadObjects } = await importOptional(packages, () => import('hyparquet'), path);
  const { compressors } = await importOptional(packages, () => import('hyparquet-compressors'), path);
  const { column } = options;
  const decoder = new Utf8Decoder();
  const parsers = { stringFromBytes: (bytes?: Uint8Array) => bytes && decoder.decodeWhole(bytes) };

  const handle = await open(path, 'r').catch((cause) => {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  });
  try {
    const file = await bufferOf(handle);
    const metadata = await damaged(path, 'its footer', async () => {
      await checkFooter(file);
      const read = await parquetMetadataAsync(file);
      checkMetadata(read, file.byteLength);
      return read;
    });
    const { repetition_type } = requireColumn(path, metadata, column);
    const check = new PageCheck(repetition_type === 'OPTIONAL');
    const pages = withCheckedPages(file, metadata, { column, check });
    const unpacking = check.unpacking(compressors);
    const progress = new RowGroupProgress(file.byteLength, metadata, options.onRead);
    let rowStart = 0;
    for (const [group, { num_rows }] of metadata.row_groups.entries()) {
      const rowEnd = rowStart + Number(num_rows);
      const read = () =>
        parquetReadObjects({
          file: pages,
          metadata,
          columns: [column],
          rowStart,
          rowEnd,
          compressors: unpacking,
          parsers,
        });
      const rows = await damaged(path, `row group ${group}`, async () => expectRows(await read(), rowEnd - rowStart));
      for (const [row, { [column]: text }] of rows.entries()) {
        if (typeof text !== 'string') throw badRow(path, group, row, column, text);
        yield text;
      }
      if (decoder.invalid > 0) options.onInvalid?.(decoder.invalid);
      decoder.invalid = 0;
      progress.finish(group);
      rowStart = rowEnd;
    }
    progress.end();
  } finally {
    await handle.close();
  }
}

/** The file as hyparquet reads it. */
async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size: byteLength } = await handle.stat();
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}`);
        done += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

/** The same file; the pages of a column are checked when they are read. */
function withCheckedPages(
  file: AsyncBuffer,
  { row_groups }: FileMetaData,
  { column, check }: { column: string; check: PageCheck },
): AsyncBuffer {
  const chunks = row_groups.flatMap(({ columns }) =>
    columns.flatMap(({ meta_data }) => (meta_data && meta_data.path_in_schema[0] === column ? [meta_data] : [])),
  );
  return {
    byteLength: file.byteLength,
    async slice(start, end = file.byteLength) {
      const bytes = await file.slice(start, end);
      for (const chunk of chunks) {
        const from = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
        const size = Number(chunk.total_compressed_size);
        if (from >= start && from + size <= end) check.headers(new Uint8Array(bytes, from - start, size), chunk);
      }
      return bytes;
    },
  };
}

/** Whatever goes wrong while bytes are made sense of means that they are not what they should be. */
async function damaged<Result>(path: string, part: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected a parquet file, but ${part} cannot be read (${(cause as Error).message}); the file is damaged ` +
        'or cut off, fetch it again',
      { cause },
    );
  }
}

function requireColumn(path: string, { schema }: FileMetaData, column: string): SchemaElement {
  // The root is first, its children follow; those of a nested column are skipped with it.
  const columns: SchemaElement[] = [];
  for (let at = 1; at < schema.length; ) {
    columns.push(schema[at]!);
    let open = 1;
    while (open > 0) open += (schema[at++]?.num_children ?? 0) - 1;
  }
  const found = columns.find(({ name }) => name === column);
  if (found !== undefined) return requireStrings(path, found);
  const names = columns.map(({ name }) => name);
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected a column "${column}" with the text, found ${listNames(names.map((name) => `"${name}"`))}; name ` +
      'the column that holds the text (--text-column)',
  );
}

function requireStrings(path: string, found: SchemaElement): SchemaElement {
  const { name, type, num_children, repetition_type } = found;
  const isFlat = !num_children && repetition_type !== 'REPEATED';
  if (isFlat && type === 'BYTE_ARRAY') return found;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected strings in column "${name}", found ${isFlat ? `the type ${type}` : 'lists or structures'}; name the ` +
      'column that holds the text (--text-column)',
  );
}

function expectRows<Row>(rows: Row[], count: number): Row[] {
  if (rows.length !== count) throw new Error(`${rows.length} of ${count} rows are there`);
  return rows;
}

function badRow(path: string, group: number, row: number, column: string, value: unknown): BurgeonError {
  const kind = value === null || value === undefined ? 'null' : `a value of type ${typeof value}`;
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: row group ${group}, row ${row}: expected a string in column "${column}", found ${kind}; correct or remove ` +
      'this row, or name the column that holds the text (--text-column)',
  );
}

/** Spreads the size of the file over its row groups, by their compressed sizes: other columns are not read. */
class RowGroupProgress {
  readonly #nBytes: number;
  readonly #metadata: FileMetaData;
  readonly #onRead: ((nBytes: number) => void) | undefined;
  #reported = 0;
  #done = 0;

  constructor(nBytes: number, metadata: FileMetaData, onRead: ((nBytes: number) => void) | undefined) {
    this.#nBytes = nBytes;
    this.#metadata = metadata;
    this.#onRead = onRead;
  }

  finish(group: number): void {
    for (const { meta_data } of this.#metadata.row_groups[group]!.columns) {
      this.#done += Number(meta_data?.total_compressed_size ?? 0);
    }
    this.#report(Math.min(this.#done, this.#nBytes));
  }

  end(): void {
    this.#report(this.#nBytes);
  }

  #report(done: number): void {
    if (done > this.#reported) this.#onRead?.(done - this.#reported);
    this.#reported = Math.max(done, this.#reported);
  }
}
