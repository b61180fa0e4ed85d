// What the first pass learned about one input file, on disk: prepare may be killed and started again, and the sizes of
// all documents of a large corpus do not belong in memory. A record is the size of every document (float64, little-
// endian; -1 - size when it is left out), then a summary as JSON, then the length of the JSON in bytes (uint32).

import { type FileHandle, open, rename } from 'node:fs/promises';

/** Documents are numbered in the order of the files and of their places in them. */
export interface FileSummary {
  documents: number;
  /** UTF-8 bytes of all documents. */
  bytes: number;
  keptDocuments: number;
  /** Documents of white space only. */
  empty: number;
  nearDuplicates: number;
  /** Lines of .jsonl with nothing on them, which are no documents. */
  blankLines: number;
  invalidUtf8: number;
  /** Characters of the kept documents, sorted code points, if they were asked for. */
  codePoints: number[];
  /** Whether some kept document does not end with a newline. */
  lacksFinalNewline: boolean;
}

/** Sizes written or read at once. */
const blockSizes = 8192;
const sizeBytes = 8;

/** Writes a record, which gets its name when it is complete. */
export class ScanRecordWriter {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #block = new DataView(new ArrayBuffer(sizeBytes * blockSizes));
  #filled = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<ScanRecordWriter> {
    return new ScanRecordWriter(path, await open(`${path}.partial`, 'w'));
  }

  /** Adds the next document. */
  async add(nBytes: number, isKept: boolean): Promise<void> {
    this.#block.setFloat64(sizeBytes * this.#filled++, isKept ? nBytes : -1 - nBytes, true);
    if (this.#filled === blockSizes) await this.#flush();
  }

  async end(summary: FileSummary): Promise<void> {
    await this.#flush();
    const json = Buffer.from(JSON.stringify(summary));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    await this.#handle.appendFile(Buffer.concat([json, length]));
    await this.#handle.close();
    await rename(`${this.#path}.partial`, this.#path);
  }

  /** Closes the file, after a failure. */
  async abort(): Promise<void> {
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    await this.#handle.appendFile(new Uint8Array(this.#block.buffer, 0, sizeBytes * this.#filled));
    this.#filled = 0;
  }
}

/** @returns the summary of a record; undefined when it is missing or not whole. */
export async function readSummary(path: string): Promise<FileSummary | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const length = Buffer.alloc(4);
    await handle.read(length, 0, 4, size - 4);
    const json = Buffer.alloc(length.readUInt32LE());
    await handle.read(json, 0, json.length, size - 4 - json.length);
    const summary: FileSummary = JSON.parse(json.toString());
    return size === sizeBytes * summary.documents + json.length + 4 ? summary : undefined;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** The documents of a record, in order. */
export async function* readSizes(
  path: string,
  { documents }: FileSummary,
): AsyncGenerator<{ nBytes: number; isKept: boolean }> {
  const handle = await open(path, 'r');
  try {
    for (let first = 0; first < documents; first += blockSizes) {
      const count = Math.min(blockSizes, documents - first);
      const block = new DataView(new ArrayBuffer(sizeBytes * count));
      await handle.read(block, 0, block.byteLength, sizeBytes * first);
      for (let i = 0; i < count; i++) {
        const value = block.getFloat64(sizeBytes * i, true);
        yield { nBytes: value >= 0 ? value : -1 - value, isKept: value >= 0 };
      }
    }
  } finally {
    await handle.close();
  }
}
