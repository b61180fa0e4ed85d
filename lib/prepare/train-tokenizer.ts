// Text files to a tokenizer: byte-level BPE with GPT-2's split pattern, learned from their words. Counting and learning
// are native (native/tokenizer/byte_pair_trainer.h); the files are those that transformers and loadTokenizer read. The
// output directory appears whole or not at all.

import { join } from 'node:path';
import type { NativeBytePairTrainer } from '../addon/binding.ts';
import { loadAddon, native, nativeSync } from '../addon/load.ts';
import { optional, requireFunction, requireObject, requireText, requireTexts } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { replaceFile } from '../files/replace-file.ts';
import { counted } from '../format.ts';
import { quote } from '../quote.ts';
import { toMerges, toTokens } from '../tokenizer/byte-pairs.ts';
import { cutPoint } from '../tokenizer/gpt2-pieces.ts';
import { gpt2TokenizerFiles } from '../tokenizer/huggingface.ts';
import { StreamCutter } from '../tokenizer/stream-encoder.ts';
import { readDocuments, requireTextOptions } from './documents.ts';
import { findInputFiles, type InputFile } from './input-files.ts';
import { type OutputKind, writeDirectory } from './output-directory.ts';
import { requireTextColumns, type TextColumns } from './text-columns.ts';

export interface TrainTokenizerOptions extends TextColumns {
  /** Text files, directories and patterns, as for `prepare`. */
  inputs: string[];
  /** Directory to write; must not exist, or be empty, or hold a tokenizer and nothing else, which is replaced. */
  output: string;
  /** Tokens in all: 256 bytes, merges, and `<|endoftext|>`, the last. 257 to 2^24. */
  vocabSize: number;
  /** A pair that occurs less often is not merged; 2 unless given. */
  minFrequency?: number | undefined;
  /** Splits text files other than .jsonl into documents on this string, which is not learned from. */
  delimiter?: string | undefined;
  /** Stops the work; the promise rejects with the reason, and nothing is written. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TrainTokenizerProgress) => void) | undefined;
  /** Word for people, about another process that may be writing `output`. */
  onNote?: ((note: string) => void) | undefined;
}

export interface TrainTokenizerProgress {
  phase: 'read' | 'merge';
  /** Bytes of the input files, or tokens of the vocabulary. */
  done: number;
  total: number;
}

export interface TrainedTokenizer {
  /** Less than asked for where the text has no more pairs that occur often enough. */
  vocabSize: number;
  merges: number;
  /** Bytes of text that were learned from. */
  bytes: number;
  files: string[];
}

/** How often the merge phase is reported. */
const reportMs = 100;

/**
 * Learns a tokenizer from text and writes tokenizer.json, vocab.json, merges.txt, tokenizer_config.json and
 * special_tokens_map.json. The same text and options give the same files, in whatever order the inputs are named.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad option; ERR_BURGEON_DATA when inputs are missing, unreadable or have
 *   no text, or when `output` holds something else.
 */
export async function trainTokenizer(options: TrainTokenizerOptions): Promise<TrainedTokenizer> {
  requireObject('options', options);
  const { vocabSize, minFrequency = 2, delimiter, onProgress } = options;
  requireTexts('inputs', options.inputs);
  requireText('output', options.output, 'the path of a directory to write');
  requireTextColumns(options.inputs, options);
  if (delimiter !== '') optional(requireText, 'delimiter', delimiter);
  optional(requireFunction, 'onProgress', onProgress);
  optional(requireFunction, 'onNote', options.onNote);
  checkOptions(vocabSize, minFrequency, delimiter);
  const inputs = await findInputFiles(options.inputs, options);

  return writeDirectory(
    options.output,
    'tokenizer',
    async ({ data: directory }) => {
      const trainer = nativeSync(() => new (loadAddon().binding.NativeBytePairTrainer)());
      const bytes = await countWords(inputs, delimiter, (text) => nativeSync(() => trainer.count(text)), options);
      if (bytes === 0) {
        throw new BurgeonError(
          'ERR_BURGEON_DATA',
          `inputs: expected some text to learn from, found none in ${counted(inputs.length, 'file')}; check the inputs`,
        );
      }
      // <|endoftext|> comes on top.
      const total = vocabSize - 1;
      const learned = await learn(trainer, total, minFrequency, options);

      const vocabulary = { tokens: toTokens(learned), merges: toMerges(learned.merges) };
      const files = gpt2TokenizerFiles(vocabulary);
      for (const [name, text] of Object.entries(files)) await replaceFile(join(directory, name), text);
      return {
        vocabSize: vocabulary.tokens.length + 1,
        merges: vocabulary.merges.length,
        bytes,
        files: Object.keys(files),
      };
    },
    { kind: tokenizerDirectory, signal: options.signal, onNote: options.onNote },
  );
}

const tokenizerDirectory: OutputKind = {
  name: 'a tokenizer',
  foreignNames(_, names) {
    const own = Object.keys(gpt2TokenizerFiles({ tokens: [], merges: [] }));
    return names.filter((name) => !own.includes(name));
  },
};

/** Learns the merges; stops when the signal or a listener that throws says so. */
async function learn(
  trainer: NativeBytePairTrainer,
  total: number,
  minFrequency: number,
  { signal, onProgress }: Pick<TrainTokenizerOptions, 'signal' | 'onProgress'>,
) {
  let thrown: { error: unknown } | undefined;
  const timer = setInterval(() => {
    try {
      onProgress?.({ phase: 'merge', done: trainer.progress(), total });
    } catch (error) {
      thrown ??= { error };
      trainer.stop();
    }
  }, reportMs);
  const stop = () => trainer.stop();
  signal?.addEventListener('abort', stop);
  try {
    signal?.throwIfAborted();
    const learned = await native(() => trainer.learn(total, minFrequency));
    signal?.throwIfAborted();
    if (thrown) throw thrown.error;
    return learned;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** Gives the text to `count` in parts that cut no word; returns its bytes. */
async function countWords(
  inputs: readonly InputFile[],
  delimiter: string | undefined,
  count: (text: string) => void,
  { signal, onProgress }: Pick<TrainTokenizerOptions, 'signal' | 'onProgress'>,
): Promise<number> {
  const total = inputs.reduce((sum, { nBytes }) => sum + nBytes, 0);
  let done = 0;
  let bytes = 0;
  const onRead = (nBytes: number) => {
    signal?.throwIfAborted();
    done += nBytes;
    onProgress?.({ phase: 'read', done, total });
  };
  for (const { path, textColumn } of inputs) {
    let cutter = new StreamCutter(cutPoint);
    for await (const { text, last } of readDocuments(path, { delimiter, textColumn, onRead })) {
      bytes += Buffer.byteLength(text);
      count(cutter.push(text));
      if (!last) continue;
      count(cutter.end());
      cutter = new StreamCutter(cutPoint);
    }
  }
  return bytes;
}

function checkOptions(vocabSize: number, minFrequency: number, delimiter: string | undefined): void {
  const fail = (message: string) => new BurgeonError('ERR_BURGEON_CONFIG', message);
  if (!(Number.isInteger(vocabSize) && vocabSize >= 257 && vocabSize <= 2 ** 24)) {
    throw fail(
      `vocabSize: expected an integer from 257 (the bytes and <|endoftext|>) to 16777216, received ${quote(vocabSize)}`,
    );
  }
  if (!(Number.isSafeInteger(minFrequency) && minFrequency >= 1)) {
    throw fail(`minFrequency: expected an integer of at least 1, received ${quote(minFrequency)}`);
  }
  requireTextOptions({ delimiter });
}
