// How far the second pass has come: enough to go on from there, given the token shards and the records of the scan. Kept
// as a small file, which is replaced whenever the tokens it counts are on disk.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from '../files/replace-file.ts';

const count = z.number().int().nonnegative();
const stream = z.object({
  tokens: count,
  documents: count,
  /** UTF-8 bytes of the text. */
  bytes: count,
  endsWithNewline: z.boolean(),
  /** SHA-256 of complete shards; earlier versions have none. */
  hashes: z.array(z.string()).default([]),
});
const schema = z.object({
  /** Documents that are done with, and bytes of the next one that are. */
  document: count,
  documentBytes: count,
  train: stream,
  validation: stream,
  /** Tokens of each input file in each split, by the number of the file; without those that have not begun. */
  fileTokens: z.object({ train: z.array(count), validation: z.array(count) }),
  /** Whether the one document has been cut: the tokens of train beyond its count are in validation too. */
  isCut: z.boolean(),
});

/** Tokens, documents and bytes of one split so far, and how its text ends. */
export type StreamState = z.infer<typeof stream>;
export type EncodeState = z.infer<typeof schema>;

const emptyStream: StreamState = { tokens: 0, documents: 0, bytes: 0, endsWithNewline: true, hashes: [] };

export const initialState: EncodeState = {
  document: 0,
  documentBytes: 0,
  train: emptyStream,
  validation: emptyStream,
  fileTokens: { train: [], validation: [] },
  isCut: false,
};

/** @returns undefined when there is none that can be used. */
export async function readState(path: string): Promise<EncodeState | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeState(path: string, state: EncodeState): Promise<void> {
  await replaceFile(path, `${JSON.stringify(state)}\n`);
}
