// The list of the documents that prepare dropped as near-duplicates: a file beside the token shards, one JSON object per line.

import { type FileHandle, open, rename } from 'node:fs/promises';
import type { NearDuplicate } from './filter.ts';

/** Its name in the directory of the data set. */
export const nearDuplicateListName = 'near-duplicates.jsonl';

/** UTF-16 units gathered before a write. */
const bufferLength = 1 << 16;

/** Writes the list, which gets its name when it is complete. One call at a time: await each before the next. */
export class NearDuplicateListWriter {
  readonly #path: string;
  readonly #handle: FileHandle;
  #lines = '';

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<NearDuplicateListWriter> {
    return new NearDuplicateListWriter(path, await open(`${path}.partial`, 'w'));
  }

  async add(document: NearDuplicate): Promise<void> {
    this.#lines += `${JSON.stringify(document)}\n`;
    if (this.#lines.length >= bufferLength) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#handle.close();
    await rename(`${this.#path}.partial`, this.#path);
  }

  /** Closes the file, after a failure. */
  async abort(): Promise<void> {
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    await this.#handle.appendFile(this.#lines);
    this.#lines = '';
  }
}
