// The list of the documents that prepare dropped as near-duplicates: a file beside the token shards, one JSON object per line.

import { type FileHandle, open, rename } from 'node:fs/promises';
import { z } from 'zod';
import { BurgeonError } from '../../errors.ts';
import { isMissing } from '../../files/is-missing.ts';
import { scanLines } from '../../files/scan-lines.ts';
import type { NearDuplicate } from './filter.ts';

/** Its name in the directory of the data set. */
export const nearDuplicateListName = 'near-duplicates.jsonl';

/** As it is listed: earlier versions did not say what it repeats, so that it is unknown what is new in it. */
export type ListedNearDuplicate = Omit<NearDuplicate, 'repeats'> & { repeats?: string | undefined };

const place = { file: z.string(), number: z.number(), begins: z.string() };
const share = z.number().min(0).max(1);
const listed = z.object({
  ...place,
  ...{ repeated: share, repeats: z.string().optional(), differs: z.string().optional() },
  like: z.object({ ...place, share }),
});

/**
 * Calls `onDocument` for every document of a list, in order.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the list is missing or damaged.
 */
export async function readNearDuplicates(
  path: string,
  onDocument: (document: ListedNearDuplicate) => void,
): Promise<void> {
  let line = 0;
  const advice = 'restore it or prepare the data again';
  try {
    await scanLines(path, ({ chunk, begin, end }) => {
      line++;
      const result = listed.safeParse(parseLine(chunk.toString('utf8', begin, end)));
      if (!result.success) {
        const message = `${path}:${line}: expected a near-duplicate as \`burgeon prepare\` lists it, found something else; ${advice}`;
        throw new BurgeonError('ERR_BURGEON_DATA', message);
      }
      onDocument({ ...result.data, differs: result.data.differs });
    });
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: the list of near-duplicates is missing; ${advice}`, { cause });
  }
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

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
