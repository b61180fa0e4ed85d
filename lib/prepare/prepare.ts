// Text files to a data set: token shards in llm.c's format and manifest.json. Two passes over the text, neither of
// which holds it in memory: scan-corpus.ts finds the documents and drops empty and repeated ones, corpus.ts chooses those
// for validation, encode.ts encodes and writes. With one document there is nothing to choose: its last tokens are the
// validation split. The output directory appears whole or not at all, and a run that was killed is continued by the next
// one with the same options and inputs (output-directory.ts).

import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import {
  optional,
  requireFunction,
  requireObject,
  requireSignal,
  requireText,
  requireTexts,
  wrong,
} from '../config/require.ts';
import { type DataManifest, type SplitManifest, writeManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { counted } from '../format.ts';
import { quote } from '../quote.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type ScannedFile, skippedOf, sourceOf, total, validationChooser } from './corpus.ts';
import { requireTextOptions } from './documents.ts';
import { encodeCorpus } from './encode.ts';
import { readState, writeState } from './encode-state.ts';
import { fileListName, writeFileList } from './file-list.ts';
import { findInputFiles, type InputFile } from './input-files.ts';
import { nearDuplicateListName } from './near-duplicates/list.ts';
import { type PartialDirectory, writeDirectory } from './output-directory.ts';
import { type PrepareProgress, ProgressReporter } from './progress.ts';
import { scanCorpus } from './scan-corpus.ts';
import { requireTextColumns, type TextColumns } from './text-columns.ts';
import { defaultShardName, requireShardOptions } from './token-shard-writer.ts';

export interface PrepareOptions extends TextColumns {
  /**
   * Text files, directories (searched for .txt, .md, .jsonl, .ndjson, these with .gz or .zst, and .parquet) and patterns, such as
   * "docs/*.md" (see globs.ts).
   */
  inputs: string[];
  /** Directory to write; must not exist, or be empty, or hold a data set of burgeon, which is replaced. */
  output: string;
  /** A name, or any tokenizer: what `loadTokenizer` returns, for example. */
  tokenizer: 'gpt2' | 'bytes' | 'chars' | Tokenizer;
  /** Beginning of the shard names; "data" unless given. */
  name?: string | undefined;
  /** Share of the text to hold out, in [0, 1); 0.1 unless given. */
  validationFraction?: number | undefined;
  /** Leave out documents that mostly repeat earlier ones, and list them in near-duplicates.jsonl in `output`. */
  dropNearDuplicates?: boolean | undefined;
  /** Splits text files, other than those of JSON, into documents on this string, which is not kept. */
  delimiter?: string | undefined;
  /** Tokens per shard; 100 million unless given. */
  shardTokens?: number | undefined;
  /**
   * Threads that read and encode beside this one, 0 for none. Unless given: none for small inputs, otherwise up to four to
   * scan and one to encode, which keeps the process below 300 MB. Results do not depend on it.
   */
  workers?: number | undefined;
  /** Stops the work; the promise rejects with the reason, and the same call goes on from there later. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
  /** Word for people, about another process that may be writing `output`. */
  onNote?: ((note: string) => void) | undefined;
}

/** Below this many bytes of input, starting threads takes longer than they save. */
const smallInputBytes = 8 << 20;
/** Scanning takes little memory; each thread that encodes takes some 50 MB. */
const defaultScanWorkers = 4;
const defaultEncodeWorkers = 1;
const maxWorkers = 1024;

/** Increased when the same job would give other bytes, so that no run goes on with those of another version. */
const jobVersion = 3;

/**
 * Makes a data set from text files.
 * @returns the manifest, as written to `<output>/manifest.json`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad option; ERR_BURGEON_DATA when inputs are missing, unreadable,
 *   damaged or have too little text, when a line of .jsonl or a row of .parquet is bad, or when `output` holds something
 *   else; ERR_BURGEON_BUSY when another process is writing it.
 */
export async function prepare(options: PrepareOptions): Promise<DataManifest> {
  requireObject('options', options);
  const settings = { ...options, ...defaultsOf(options) };
  checkOptions(settings);
  const files = await findInputFiles(options.inputs, options);
  const { signal, onNote } = options;
  const write = async (partial: PartialDirectory) => {
    signal?.addEventListener('abort', partial.keep);
    try {
      return await fill(partial, settings, files);
    } finally {
      signal?.removeEventListener('abort', partial.keep);
    }
  };
  return writeDirectory(options.output, jobOf(settings, files), write, { signal, onNote });
}

type Settings = PrepareOptions & ReturnType<typeof defaultsOf>;

function defaultsOf({ name, validationFraction, dropNearDuplicates }: PrepareOptions) {
  return {
    name: name ?? defaultShardName,
    validationFraction: validationFraction ?? 0.1,
    dropNearDuplicates: dropNearDuplicates ?? false,
  };
}

async function fill(partial: PartialDirectory, settings: Settings, files: readonly InputFile[]): Promise<DataManifest> {
  const { delimiter, dropNearDuplicates, validationFraction } = settings;
  const progress = new ProgressReporter(files, settings);
  const recordDirectory = join(partial.work, 'scan');
  await makeDirectory(recordDirectory);
  const isChars = settings.tokenizer === 'chars';
  const text = { delimiter, onRead: progress.onRead };
  const scanned = await scanCorpus(files, {
    ...text,
    collectCharacters: isChars,
    nearDuplicateList: dropNearDuplicates ? join(partial.data, nearDuplicateListName) : undefined,
    directory: recordDirectory,
    workers: workersFor('scan', settings, progress.bytesTotal),
  });
  const documents = total(scanned, 'keptDocuments');
  if (documents === 0) throw noText(scanned);

  const tokenizer = chooseTokenizer(settings.tokenizer, scanned);
  const splitBy = validationFraction === 0 ? null : documents === 1 ? 'tokens' : 'documents';
  const statePath = join(partial.work, 'state.json');
  const saved = await readState(statePath);
  progress.startEncoding();
  const { fileTokens, train, validation } = await encodeCorpus(
    {
      ...text,
      files: scanned,
      tokenizer,
      isValidation: await validationChooser(scanned, validationFraction),
      shards: { directory: partial.data, name: settings.name, shardTokens: settings.shardTokens },
      workers: workersFor('encode', settings, progress.bytesTotal),
      signal: settings.signal,
      async save(state) {
        await partial.requireHeld();
        await writeState(statePath, state);
        partial.keep();
      },
      onWritten: ({ document, train, validation }) => progress.onWritten(document, train.tokens + validation.tokens),
    },
    saved,
    splitBy === 'tokens' ? validationFraction : 0,
  );
  progress.onWritten(documents, train.tokens + validation.tokens);
  const splits = splitBy === null ? { train } : { train, validation };
  requireTokens(splits, validationFraction);
  await writeFileList(partial.data, scanned, fileTokens);

  return writeManifest(partial.data, {
    tokenizer: tokenizer.toJSON(),
    vocabSize: tokenizer.vocabSize,
    delimiter: tokenizer.endOfText === undefined ? null : { token: tokenizer.endOfText, position: 'before' },
    splitBy,
    splits,
    source: { ...sourceOf(scanned), list: fileListName },
    skipped: { ...skippedOf(scanned), ...(dropNearDuplicates ? { list: nearDuplicateListName } : {}) },
    invalidUtf8: total(scanned, 'invalidUtf8'),
    options: { validationFraction, dropNearDuplicates, delimiter: delimiter ?? null },
    warnings: warningsOf(scanned, splits, validationFraction),
  });
}

/** Everything that the output depends on. */
function jobOf(settings: Settings, files: readonly InputFile[]): string {
  const { tokenizer, name, validationFraction, dropNearDuplicates, delimiter, shardTokens } = settings;
  const job = {
    version: jobVersion,
    // A tokenizer becomes its description.
    options: { tokenizer, name, validationFraction, dropNearDuplicates, delimiter, shardTokens },
    files: files.map(({ path, nBytes, modifiedMs, textColumn }) => [resolve(path), nBytes, modifiedMs, textColumn]),
  };
  return `${JSON.stringify(job)}\n`;
}

function workersFor(phase: PrepareProgress['phase'], { workers }: Settings, bytesTotal: number): number {
  if (workers !== undefined) return workers;
  if (bytesTotal < smallInputBytes) return 0;
  return Math.min(availableParallelism(), phase === 'scan' ? defaultScanWorkers : defaultEncodeWorkers);
}

function checkOptions(settings: Settings): void {
  const fail = (message: string) => new BurgeonError('ERR_BURGEON_CONFIG', message);
  const { inputs, output, tokenizer, delimiter, textColumn, validationFraction, workers = 0 } = settings;
  requireTexts('inputs', inputs);
  requireText('output', output, 'the path of a directory to write');
  if (delimiter !== undefined && delimiter !== '') requireText('delimiter', delimiter);
  requireTextColumns(inputs, settings);
  optional(requireFunction, 'onProgress', settings.onProgress);
  optional(requireFunction, 'onNote', settings.onNote);
  optional(requireSignal, 'signal', settings.signal);
  if (typeof settings.dropNearDuplicates !== 'boolean') {
    throw wrong('dropNearDuplicates', 'true or false', settings.dropNearDuplicates);
  }
  const isTokenizer = typeof (tokenizer as Partial<Tokenizer> | null)?.encode === 'function';
  if (!isTokenizer && !['gpt2', 'bytes', 'chars'].includes(tokenizer as string)) {
    throw fail(`tokenizer: expected 'gpt2', 'bytes', 'chars' or a tokenizer, received ${quote(tokenizer)}`);
  }
  if (typeof validationFraction !== 'number' || !(validationFraction >= 0 && validationFraction < 1)) {
    throw fail(`validationFraction: expected a number from 0 to less than 1, received ${quote(validationFraction)}`);
  }
  requireTextOptions({ delimiter, textColumn });
  if (!(Number.isInteger(workers) && workers >= 0 && workers <= maxWorkers)) {
    throw fail(`workers: expected an integer from 0 to ${maxWorkers}, received ${quote(workers)}`);
  }
  requireShardOptions(settings);
}

function chooseTokenizer(choice: PrepareOptions['tokenizer'], files: readonly ScannedFile[]): Tokenizer {
  if (typeof choice !== 'string') return choice;
  return choice === 'chars' ? charsTokenizer(files) : createTokenizer({ name: choice });
}

/** Vocabulary of all kept documents, and the newline when it may have to be put between two of them. */
function charsTokenizer(files: readonly ScannedFile[]): Tokenizer {
  const codePoints = new Set(files.flatMap(({ summary }) => summary.codePoints));
  const lacksFinalNewline = files.some(({ summary }) => summary.lacksFinalNewline);
  if (total(files, 'keptDocuments') > 1 && lacksFinalNewline) codePoints.add(newline);
  const characters = [...codePoints].sort((a, b) => a - b).map((codePoint) => String.fromCodePoint(codePoint));
  return createTokenizer({ name: 'chars', characters });
}

const newline = 10;

function noText(files: readonly ScannedFile[]): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `inputs: expected some text, found none in ${counted(files.length, 'file')} (${counted(total(files, 'empty'), 'empty document')}); check ` +
      'the inputs',
  );
}

/** A split needs one token to predict from and one to predict. */
function requireTokens(splits: DataManifest['splits'], validationFraction: number): void {
  for (const [name, split] of Object.entries(splits) as Array<[string, SplitManifest]>) {
    if (split.tokens >= 2) continue;
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${name} split: expected at least 2 tokens, got ${split.tokens}, with ${percent(validationFraction)} of the text held out; ` +
        `add text, or hold ${name === 'validation' ? 'more or nothing' : 'less or nothing'} out`,
    );
  }
}

function warningsOf(
  files: readonly ScannedFile[],
  splits: DataManifest['splits'],
  validationFraction: number,
): string[] {
  const warnings: string[] = [];
  const firstInvalid = files.find(({ summary }) => summary.invalidUtf8 > 0);
  if (firstInvalid) {
    const invalid = total(files, 'invalidUtf8');
    warnings.push(
      `${invalid === 1 ? '1 invalid UTF-8 sequence was' : `${invalid} invalid UTF-8 sequences were`} replaced by U+FFFD, the first in ` +
        basename(firstInvalid.path),
    );
  }
  const { train, validation } = splits;
  const share = validation ? validation.bytes / (train.bytes + validation.bytes) : 0;
  if (Math.abs(share - validationFraction) > 0.5 * validationFraction) {
    warnings.push(
      `validation has ${percent(share)} of the text instead of ${percent(validationFraction)}: documents are kept whole, ` +
        'and there are few of them or they differ much in size',
    );
  }
  return warnings;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
