// The second pass of prepare: encodes the documents, several batches at a time, and writes the tokens in order into the
// shards of their splits. Every few seconds, and whenever a shard is complete, the state is saved; a run that was killed
// goes on from there. Tokens do not depend on how the text was cut into batches, so neither threads nor kills show.

import { join } from 'node:path';
import type { SplitManifest } from '../data/manifest.ts';
import { openTokenFile } from '../data/token-file.ts';
import { type EncodeState, initialState, type StreamState } from './encode-state.ts';
import { type Batch, type ReadBatchesOptions, readBatches } from './segment-batches.ts';
import type { EncodedSegments, Segment, Split } from './segments.ts';
import { TaskPool } from './task-pool.ts';
import { TokenShardWriter, type TokenShardWriterOptions } from './token-shard-writer.ts';

/** Least time between two saved states, while no shard is completed. */
const saveIntervalMs = 10_000;
/** Tokens copied at once when one document is cut in two. */
const copyTokens = 1 << 20;

export interface EncodeOptions extends ReadBatchesOptions {
  /** An existing directory for the shards, and how they are named and cut. */
  shards: Omit<TokenShardWriterOptions, 'split' | 'vocabSize'>;
  /** Threads; 0 for none beside this one. */
  workers: number;
  /** Keeps the state for later. */
  save: (state: EncodeState) => Promise<void>;
  /** Told after every batch. May throw, which ends the work; the state is saved. */
  onWritten: (state: EncodeState) => void;
  /** Stops the cutting of a document; the rest asks `onWritten`. */
  signal?: AbortSignal | undefined;
}

/**
 * Writes the shards of both splits, or those that are missing.
 * @param saved the state of an earlier run, if there was one.
 * @param cutFraction share of the only document to hold out; 0 where whole documents are.
 * @returns what is in the splits, and how many tokens each file has in them; no validation where nothing was held out.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a file changed since the scan, or on a failed read or write.
 */
export async function encodeCorpus(
  options: EncodeOptions,
  saved: EncodeState | undefined,
  cutFraction: number,
): Promise<Record<Split, SplitManifest> & Pick<EncodeState, 'fileTokens'>> {
  let lastSaved = saved;
  const tracked: EncodeOptions = {
    ...options,
    async save(state) {
      await options.save(state);
      lastSaved = state;
    },
  };
  let state = saved ?? structuredClone(initialState);
  if (!state.isCut) state = await encodeDocuments(tracked, state);
  if (cutFraction > 0 && !state.isCut) state = await cutDocument(tracked, state, cutFraction);
  // A saved state must not count tokens that are about to be cut off. Where none was saved, there is nothing to lose.
  if (lastSaved) await tracked.save(state);
  const { fileTokens } = state;
  const [train, validation] = [await finish(options, 'train', state), await finish(options, 'validation', state)];
  return { train, validation, fileTokens };
}

async function encodeDocuments(options: EncodeOptions, start: EncodeState): Promise<EncodeState> {
  const { tokenizer, workers, save, onWritten } = options;
  const pool = new TaskPool<Segment[], EncodedSegments>(workers, { kind: 'encode', tokenizer: tokenizer.toJSON() });
  const train = await openStream(options, 'train', start);
  const validation = await openStream(options, 'validation', start);
  let state = start;
  let savedShards = train.shardCount + validation.shardCount;
  let savedMs = performance.now();
  const saveState = async () => {
    await train.sync();
    await validation.sync();
    await save(state);
    savedShards = train.shardCount + validation.shardCount;
    savedMs = performance.now();
  };

  try {
    await encodeInOrder(pool, readBatches(options, start), workers === 0 ? 0 : workers + 1, async (batch, tokens) => {
      await train.write(tokens.train);
      await validation.write(tokens.validation);
      addFileTokens(state.fileTokens, batch.origins, tokens.counts);
      state = withTokens({ ...batch.after, fileTokens: state.fileTokens }, train, validation);
      const isShardComplete = train.shardCount + validation.shardCount > savedShards;
      if (isShardComplete || performance.now() - savedMs > saveIntervalMs) await saveState();
      try {
        onWritten(state);
      } catch (error) {
        await saveState();
        throw error;
      }
    });
    await train.sync();
    await validation.sync();
    return state;
  } finally {
    await pool.close();
    await train.abort();
    await validation.abort();
  }
}

/** Encodes batches, at most `ahead` beyond the one that is being written. */
async function encodeInOrder(
  pool: TaskPool<Segment[], EncodedSegments>,
  batches: AsyncIterable<Batch>,
  ahead: number,
  write: (batch: Batch, tokens: EncodedSegments) => Promise<void>,
): Promise<void> {
  const underWay: { batch: Batch; tokens: Promise<EncodedSegments> }[] = [];
  const writeFirst = async () => {
    const { batch, tokens } = underWay.shift()!;
    await write(batch, await tokens);
  };
  for await (const batch of batches) {
    const tokens = pool.run(batch.segments);
    // If an earlier batch fails, nobody will wait for this one.
    tokens.catch(() => {});
    // The text may be forgotten.
    underWay.push({ batch: { ...batch, segments: [] }, tokens });
    if (underWay.length > ahead) await writeFirst();
  }
  while (underWay.length > 0) await writeFirst();
}

/**
 * Cuts the only document: its first floor((1 - fraction) n) tokens stay in train, the rest goes to validation. As n is
 * known only now, all tokens are in the shards of train; the rest is copied first and cut off last (`finish`).
 */
async function cutDocument(options: EncodeOptions, state: EncodeState, fraction: number): Promise<EncodeState> {
  const { tokenizer } = options;
  const { tokens: allTokens, bytes: allBytes } = state.train;
  // (1 - 0.9) x 10 is 0.99... in floating point; the document is to be cut where it would be on paper.
  const trainTokens = Math.floor((1 - fraction) * allTokens + 1e-9);
  const train = await openStream(options, 'train', state);
  const files = await train.end();
  const validation = await openStream(options, 'validation', initialState);
  let bytes = 0;
  try {
    let skipped = 0;
    for (const file of files) {
      skipped = await readTokensFrom(join(options.shards.directory, file), trainTokens, skipped, async (tokens) => {
        options.signal?.throwIfAborted();
        bytes += tokenizer.byteLength(tokens);
        await validation.write(tokens);
      });
    }
    await validation.sync();
  } finally {
    await validation.abort();
  }
  const { hashes } = validation;
  // Of one file, as all of the document is.
  const file = state.fileTokens.train.findIndex((tokens) => tokens > 0);
  const only = (tokens: number) => Array.from({ length: file + 1 }, (_, i) => (i === file ? tokens : 0));
  return {
    ...state,
    fileTokens: { train: only(trainTokens), validation: only(allTokens - trainTokens) },
    train: { ...state.train, tokens: trainTokens, bytes: allBytes - bytes },
    validation: { ...state.validation, tokens: allTokens - trainTokens, documents: 1, bytes, hashes: [...hashes] },
    isCut: true,
  };
}

/**
 * Hands over the tokens of a shard, block by block, that are not among the first `first` of the stream.
 * @param before tokens of the stream in the shards before.
 * @returns tokens of the stream up to the end of this shard.
 */
async function readTokensFrom(
  path: string,
  first: number,
  before: number,
  use: (tokens: Int32Array) => Promise<void>,
): Promise<number> {
  const file = await openTokenFile(path);
  try {
    for (let at = Math.max(0, first - before); at < file.tokenCount; at += copyTokens) {
      await use(await file.readTokens(at, Math.min(copyTokens, file.tokenCount - at)));
    }
    return before + file.tokenCount;
  } finally {
    await file.close();
  }
}

/** Completes the shards of a split. */
async function finish(options: EncodeOptions, split: Split, state: EncodeState): Promise<SplitManifest> {
  const { tokens, documents, bytes } = state[split];
  const writer = await openStream(options, split, state);
  const files = await writer.end();
  return { files, sha256: [...writer.hashes], tokens, documents, bytes };
}

function openStream({ tokenizer, shards }: EncodeOptions, split: Split, state: EncodeState): Promise<TokenShardWriter> {
  const writerOptions = { ...shards, split: split === 'train' ? ('train' as const) : ('val' as const) };
  const { tokens, hashes } = state[split];
  return TokenShardWriter.continue({ ...writerOptions, vocabSize: tokenizer.vocabSize }, tokens, hashes);
}

/** Counts the tokens of segments that were written; in place, as there may be very many files. */
function addFileTokens(
  fileTokens: EncodeState['fileTokens'],
  origins: Batch['origins'],
  counts: ArrayLike<number>,
): void {
  for (const [i, { file, split }] of origins.entries()) {
    const tokens = fileTokens[split];
    while (tokens.length <= file) tokens.push(0);
    tokens[file]! += counts[i]!;
  }
}

function withTokens(state: EncodeState, train: TokenShardWriter, validation: TokenShardWriter): EncodeState {
  const count = (stream: StreamState, { tokenCount, hashes }: TokenShardWriter) => ({
    ...stream,
    tokens: tokenCount,
    hashes: [...hashes],
  });
  return { ...state, train: count(state.train, train), validation: count(state.validation, validation) };
}
