// Text files to a data set: token shards in llm.c's format and manifest.json. Two passes over the text, neither of
// which holds it in memory: scan.ts finds the documents and drops empty and repeated ones, split.ts chooses those for
// validation, write-splits.ts encodes and writes. With one document there is nothing to choose: its last tokens are the
// validation split. The output directory appears whole or not at all (output-directory.ts).

import { BurgeonError } from '../errors.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';
import { findInputFiles, type InputFile } from './input-files.ts';
import { type DataManifest, type SplitManifest, writeManifest } from './manifest.ts';
import { writeDirectory } from './output-directory.ts';
import { type ScannedCorpus, scanDocuments } from './scan.ts';
import { chooseValidation } from './split.ts';
import { defaultShardName, requireShardOptions } from './token-shard-writer.ts';
import { type Fate, writeCutDocument, writeDocuments } from './write-splits.ts';

export interface PrepareOptions {
  /** Text files, directories (searched for .txt, .md and .jsonl) and patterns, such as "docs/*.md" (see globs.ts). */
  inputs: string[];
  /** Directory to write; must not exist, or be empty, or hold a data set of burgeon, which is replaced. */
  output: string;
  /** A name, or any tokenizer: what `loadTokenizer` returns, for example. */
  tokenizer: 'gpt2' | 'bytes' | 'chars' | Tokenizer;
  /** Beginning of the shard names; "data" unless given. */
  name?: string | undefined;
  /** Share of the text to hold out, in [0, 1); 0.1 unless given. */
  validationFraction?: number | undefined;
  /** Leave out documents that mostly repeat earlier ones; see near-duplicates.ts. */
  dropNearDuplicates?: boolean | undefined;
  /** Splits text files other than .jsonl into documents on this string, which is not kept. */
  delimiter?: string | undefined;
  /** Tokens per shard; 100 million unless given. */
  shardTokens?: number | undefined;
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

/** Every byte is read twice: first to scan, then to encode. */
export interface PrepareProgress {
  phase: 'scan' | 'encode';
  /** Bytes of the input files, read in this phase and in all. */
  bytesDone: number;
  bytesTotal: number;
}

/**
 * Makes a data set from text files.
 * @returns the manifest, as written to `<output>/manifest.json`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad option; ERR_BURGEON_DATA when inputs are missing, unreadable or
 *   have too little text, when a line of .jsonl is bad, or when `output` holds something else.
 */
export async function prepare(options: PrepareOptions): Promise<DataManifest> {
  const { delimiter, dropNearDuplicates = false, validationFraction = 0.1 } = options;
  checkOptions(options, validationFraction);
  const files = await findInputFiles(options.inputs);
  const progress = progressReporter(files, options.onProgress);

  return writeDirectory(options.output, async (directory) => {
    const corpus = await scanDocuments(files, {
      delimiter,
      dropNearDuplicates,
      collectCharacters: options.tokenizer === 'chars',
      onRead: progress('scan'),
    });
    const documents = corpus.isKept.filter(Boolean).length;
    if (documents === 0) throw noText(files, corpus);

    const tokenizer = chooseTokenizer(options.tokenizer, corpus, documents);
    const splitBy = validationFraction === 0 ? null : documents === 1 ? 'tokens' : 'documents';
    const text = { files, delimiter, corpus, onRead: progress('encode') };
    const shards = { directory, name: options.name ?? defaultShardName, shardTokens: options.shardTokens };
    const splits =
      splitBy === 'tokens'
        ? await writeCutDocument(text, tokenizer, shards, validationFraction)
        : await writeDocuments(text, tokenizer, shards, chooseFates(corpus, validationFraction));
    requireTokens(splits, validationFraction);

    return writeManifest(directory, {
      tokenizer: tokenizer.toJSON(),
      vocabSize: tokenizer.vocabSize,
      delimiter: tokenizer.endOfText === undefined ? null : { token: tokenizer.endOfText, position: 'before' },
      splitBy,
      splits,
      source: { files: files.length, documents: corpus.nBytes.length, bytes: sum(corpus.nBytes) },
      skipped: { empty: corpus.empty, nearDuplicates: corpus.nearDuplicates },
      invalidUtf8: corpus.invalidUtf8,
      options: { validationFraction, dropNearDuplicates, delimiter: delimiter ?? null },
      warnings: warningsOf(corpus, splits, validationFraction),
    });
  });
}

function checkOptions(options: PrepareOptions, validationFraction: number): void {
  const fail = (message: string) => new BurgeonError('ERR_BURGEON_CONFIG', message);
  const { tokenizer, delimiter } = options;
  const isTokenizer = typeof (tokenizer as Partial<Tokenizer> | null)?.encode === 'function';
  if (!isTokenizer && !['gpt2', 'bytes', 'chars'].includes(tokenizer as string)) {
    throw fail(`tokenizer: expected 'gpt2', 'bytes', 'chars' or a tokenizer, received ${JSON.stringify(tokenizer)}`);
  }
  if (!(validationFraction >= 0 && validationFraction < 1)) {
    throw fail(`validationFraction: expected a number from 0 to less than 1, received ${validationFraction}`);
  }
  if (delimiter === '') throw fail('delimiter: expected at least one character, received an empty string');
  requireShardOptions(options);
}

function chooseFates(corpus: ScannedCorpus, validationFraction: number): Fate[] {
  const kept = corpus.nBytes.filter((_, document) => corpus.isKept[document]);
  const isValidation = validationFraction > 0 ? chooseValidation(kept, validationFraction) : [];
  let next = 0;
  return corpus.isKept.map((isKept) => {
    if (!isKept) return 'skip';
    return isValidation[next++] ? 'validation' : 'train';
  });
}

function chooseTokenizer(choice: PrepareOptions['tokenizer'], corpus: ScannedCorpus, documents: number): Tokenizer {
  if (typeof choice !== 'string') return choice;
  return choice === 'chars' ? charsTokenizer(corpus, documents) : createTokenizer({ name: choice });
}

/** Vocabulary of all kept documents, and the newline when it may have to be put between two of them. */
function charsTokenizer(corpus: ScannedCorpus, documents: number): Tokenizer {
  if (documents > 1 && corpus.lacksFinalNewline) corpus.characters.add('\n');
  return corpus.characters.tokenizer();
}

function noText(files: readonly InputFile[], { empty }: ScannedCorpus): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `inputs: expected some text, found none in ${files.length} files (${empty} empty documents); check the inputs`,
  );
}

/** A split needs one token to predict from and one to predict. */
function requireTokens(splits: DataManifest['splits'], validationFraction: number): void {
  for (const [name, split] of Object.entries(splits) as Array<[string, SplitManifest]>) {
    if (split.tokens >= 2) continue;
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${name} split: expected at least 2 tokens, got ${split.tokens} (validationFraction ${validationFraction}); add ` +
        'text, or set validationFraction to 0 to hold nothing out',
    );
  }
}

function warningsOf(corpus: ScannedCorpus, splits: DataManifest['splits'], validationFraction: number): string[] {
  const warnings: string[] = [];
  if (corpus.invalidUtf8 > 0) {
    warnings.push(
      `${corpus.invalidUtf8} invalid UTF-8 sequences were replaced by U+FFFD, the first in ${corpus.firstInvalidFile}`,
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Counts the bytes of each phase for `onProgress`. */
function progressReporter(files: readonly InputFile[], onProgress: PrepareOptions['onProgress']) {
  const bytesTotal = sum(files.map(({ nBytes }) => nBytes));
  return (phase: PrepareProgress['phase']) => {
    let bytesDone = 0;
    return (nBytes: number): void => {
      bytesDone += nBytes;
      onProgress?.({ phase, bytesDone, bytesTotal });
    };
  };
}
