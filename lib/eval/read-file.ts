// A file of questions, whole: they are small.

import { readFile } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';

/** @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read. */
export async function readWholeFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}
