// burgeon prepare: text files to token shards.

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { DataManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { type PrepareOptions, prepare } from '../prepare/prepare.ts';
import { loadTokenizer } from '../tokenizer/open-tokenizer.ts';
import { bytes, count, facts } from './format.ts';
import { interruptible } from './interrupt.ts';
import { integerAtLeast, integerBetween, numberBetween } from './options.ts';
import { PrepareProgressText } from './prepare-progress.ts';
import { ProgressLine } from './progress.ts';

interface PrepareFlags {
  output: string;
  tokenizer: string;
  name?: string;
  valFraction: number;
  dropNearDuplicates?: boolean;
  delimiter?: string;
  textColumn?: string;
  shardTokens?: number;
  workers?: number;
  json?: boolean;
}

/** A name of ours, or else a path. */
async function chooseTokenizer(name: string): Promise<PrepareOptions['tokenizer']> {
  if (name === 'gpt2' || name === 'bytes' || name === 'chars') return name;
  if (existsSync(name)) return loadTokenizer(name);
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `--tokenizer: expected gpt2, bytes, chars, or the path of a tokenizer.json or a directory with one, received "${name}"`,
  );
}

export function prepareCommand(): Command {
  return new Command('prepare')
    .summary('turn text files into token shards for training')
    .description(
      'Turns text files into token shards for training. Inputs are files (.txt, .md and any other text: one document each; ' +
        '.jsonl: one per line; .parquet: one per row; text also as .gz or .zst), directories (searched for these) or ' +
        'patterns in quotes. A run that was interrupted is continued by the same command.',
    )
    .argument('<input...>', 'files, directories or patterns such as "docs/**/*.md"')
    .requiredOption('-o, --output <dir>', 'directory to write; a data set already there is replaced')
    .option(
      '-t, --tokenizer <name|path>',
      'gpt2: byte pairs, 50257 tokens; bytes: 256 tokens; chars: one per character; or a tokenizer.json, or a directory with one',
      'gpt2',
    )
    .option('--val-fraction <f>', 'share of the text held out for validation', numberBetween(0, 0.99), 0.1)
    .option('--drop-near-duplicates', 'leave out documents that mostly repeat earlier ones')
    .option('--delimiter <text>', 'split text files into documents on this text')
    .option('--text-column <name>', 'field of .jsonl and column of .parquet that holds the text (default: text)')
    .option('--name <name>', 'beginning of the shard names (default: data)')
    .option('--shard-tokens <n>', 'tokens per shard (default: 100 million)', integerAtLeast(1))
    .option(
      '--workers <n>',
      'threads that read and encode, 0 for none beside the main one; the result does not depend on it (default: up to 4 ' +
        'that scan, 1 that encodes; each more takes some 50 MB)',
      integerBetween(0, 1024),
    )
    .option('--json', 'print the manifest as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon prepare book.txt -o data/book --tokenizer chars\n  burgeon prepare corpus/ "more/**/*.jsonl.gz" -o data/corpus\n  burgeon prepare "web/*.parquet" -o data/web --text-column content',
    )
    .action(async (inputs: string[], { tokenizer, valFraction, json, ...rest }: PrepareFlags) => {
      const manifest = await prepareWithProgress({
        ...rest,
        inputs,
        tokenizer: await chooseTokenizer(tokenizer),
        validationFraction: valFraction,
      });
      if (!manifest) return;
      for (const warning of manifest.warnings) console.error(`warning: ${warning}`);
      console.log(json ? JSON.stringify(manifest, null, 2) : `wrote ${rest.output} ${describe(manifest)}`);
    });
}

/** @returns undefined when the user stopped it. */
async function prepareWithProgress(options: PrepareOptions): Promise<DataManifest | undefined> {
  const line = new ProgressLine();
  const progress = new PrepareProgressText(line.isLive);
  const sayStopping = () => line.print('stopping; the same command goes on from here later');
  try {
    return await interruptible(sayStopping, (signal) =>
      prepare({
        ...options,
        signal,
        onProgress(report) {
          progress.observe(report);
          line.update(() => progress.text(report));
        },
      }),
    );
  } finally {
    line.clear();
  }
}

function describe({ tokenizer, vocabSize, splits, source, skipped }: DataManifest): string {
  const { train, validation } = splits;
  const documents = (n: number) => `${n} document${n === 1 ? '' : 's'}`;
  const split = (tokens: number, n: number, size: number) => `${count(tokens)} tokens, ${documents(n)}, ${bytes(size)}`;
  return `(tokenizer ${tokenizer.name}, vocabulary ${vocabSize})\n${facts([
    [
      'read',
      `${documents(source.documents)} in ${source.files} file${source.files === 1 ? '' : 's'}, ${bytes(source.bytes)} of text`,
    ],
    ['left out', `${skipped.nearDuplicates} near-duplicate and ${skipped.empty} empty documents`],
    ['train', split(train.tokens, train.documents, train.bytes)],
    ['validation', validation ? split(validation.tokens, validation.documents, validation.bytes) : 'none'],
  ])}`;
}
