// The second pass of `prepare`: encodes the documents and writes them into the shards of their splits. What a document
// is and where it goes was decided before (scan.ts, split.ts); the manifest is left to prepare.ts.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { readDocuments } from './documents.ts';
import type { InputFile } from './input-files.ts';
import type { DataManifest } from './manifest.ts';
import type { ScannedCorpus } from './scan.ts';
import { SplitWriter } from './split-writer.ts';
import { openTokenFile } from './token-file.ts';

/** What to do with a document. */
export type Fate = 'train' | 'validation' | 'skip';

/** Tokens copied at once when one document is cut in two. */
const copyTokens = 1 << 20;

/** The corpus as it was scanned. */
export interface CorpusText {
  files: readonly InputFile[];
  delimiter: string | undefined;
  corpus: ScannedCorpus;
  onRead: (nBytes: number) => void;
}

export interface ShardOptions {
  /** An existing directory. */
  directory: string;
  name: string;
  shardTokens: number | undefined;
}

type Splits = DataManifest['splits'];

/**
 * Writes whole documents to the splits that they were given.
 * @param fates per document, kept or not.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a file changed since the scan, or on a failed read or write.
 */
export async function writeDocuments(
  text: CorpusText,
  tokenizer: Tokenizer,
  shards: ShardOptions,
  fates: readonly Fate[],
): Promise<Splits> {
  const train = new SplitWriter(tokenizer, { ...shards, split: 'train' });
  const validation = new SplitWriter(tokenizer, { ...shards, split: 'val' });
  try {
    await encodeDocuments(text, (document) => {
      const fate = fates[document]!;
      if (fate === 'skip') return undefined;
      return fate === 'train' ? train : validation;
    });
    const splits: Splits = { train: await train.end() };
    if (fates.includes('validation')) splits.validation = await validation.end();
    return splits;
  } finally {
    await train.abort();
    await validation.abort();
  }
}

/**
 * Writes the only document: its first floor((1 - validationFraction) n) tokens to train, the rest to validation. As n
 * is known only at the end, the tokens go to spool files first, which is cheaper than encoding twice.
 */
export async function writeCutDocument(
  text: CorpusText,
  tokenizer: Tokenizer,
  shards: ShardOptions,
  validationFraction: number,
): Promise<Splits> {
  const spoolDirectory = join(shards.directory, 'spool');
  await mkdir(spoolDirectory);
  const spool = new SplitWriter(tokenizer, { directory: spoolDirectory, name: 'spool', split: 'train' });
  const train = new SplitWriter(tokenizer, { ...shards, split: 'train' });
  const validation = new SplitWriter(tokenizer, { ...shards, split: 'val' });
  try {
    await encodeDocuments(text, (document) => (text.corpus.isKept[document] ? spool : undefined));
    const { files, tokens } = await spool.end();
    // (1 - 0.9) x 10 is 0.99... in floating point; the document is to be cut where it would be on paper.
    let trainTokens = Math.floor((1 - validationFraction) * tokens + 1e-9);
    for (const file of files) {
      for await (const block of readBlocks(join(spoolDirectory, file))) {
        const cut = Math.min(trainTokens, block.length);
        await train.write(block.subarray(0, cut));
        await validation.write(block.subarray(cut));
        trainTokens -= cut;
      }
    }
    return { train: await train.end(1), validation: await validation.end(1) };
  } finally {
    for (const writer of [spool, train, validation]) await writer.abort();
    await rm(spoolDirectory, { recursive: true, force: true });
  }
}

async function* readBlocks(path: string): AsyncGenerator<Int32Array> {
  const file = await openTokenFile(path);
  try {
    for (let start = 0; start < file.tokenCount; start += copyTokens) {
      yield await file.readTokens(start, Math.min(copyTokens, file.tokenCount - start));
    }
  } finally {
    await file.close();
  }
}

/** Reads all documents again and hands each to the writer that `writerOf` names, if any. */
async function encodeDocuments(
  { files, delimiter, corpus, onRead }: CorpusText,
  writerOf: (document: number) => SplitWriter | undefined,
): Promise<void> {
  let document = 0;
  for (const { path } of files) {
    let nBytes = 0;
    for await (const { text, last } of readDocuments(path, { delimiter, onRead })) {
      nBytes += Buffer.byteLength(text, 'utf8');
      const writer = document < corpus.nBytes.length ? writerOf(document) : undefined;
      await writer?.add(text);
      if (!last) continue;
      if (nBytes !== corpus.nBytes[document]) throw changed(path);
      await writer?.endDocument();
      nBytes = 0;
      document++;
    }
  }
  if (document !== corpus.nBytes.length) throw changed(files.at(-1)!.path);
}

function changed(path: string): BurgeonError {
  return new BurgeonError('ERR_BURGEON_DATA', `${path}: changed while it was being prepared; start again`);
}
