// burgeon prepare: text files to token shards.

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { type PrepareOptions, prepare } from '../data/prepare.ts';
import { BurgeonError } from '../errors.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { bytes, count, facts, percent } from './format.ts';
import { integerAtLeast, numberBetween } from './options.ts';
import { ProgressLine } from './progress.ts';

interface PrepareFlags {
  output: string;
  tokenizer: string;
  name?: string;
  valFraction: number;
  dropNearDuplicates?: boolean;
  delimiter?: string;
  shardTokens?: number;
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
        '.jsonl: one document per line, field "text"), directories (searched for .txt, .md, .jsonl) or patterns in quotes.',
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
    .option('--name <name>', 'beginning of the shard names (default: data)')
    .option('--shard-tokens <n>', 'tokens per shard (default: 100 million)', integerAtLeast(1))
    .option('--json', 'print the manifest as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon prepare book.txt -o data/book --tokenizer chars\n  burgeon prepare corpus/ "more/**/*.jsonl" -o data/corpus',
    )
    .action(async (inputs: string[], flags: PrepareFlags) => {
      const progress = new ProgressLine();
      const manifest = await prepare({
        inputs,
        output: flags.output,
        tokenizer: await chooseTokenizer(flags.tokenizer),
        name: flags.name,
        validationFraction: flags.valFraction,
        dropNearDuplicates: flags.dropNearDuplicates,
        delimiter: flags.delimiter,
        shardTokens: flags.shardTokens,
        onProgress: ({ phase, bytesDone, bytesTotal }) =>
          progress.update(
            () =>
              `${phase === 'scan' ? 'reading' : 'encoding'} ${bytes(bytesDone)} of ${bytes(bytesTotal)} (${percent(bytesTotal === 0 ? 1 : bytesDone / bytesTotal, 0)})`,
          ),
      });
      progress.clear();
      for (const warning of manifest.warnings) console.error(`warning: ${warning}`);
      if (flags.json) {
        console.log(JSON.stringify(manifest, null, 2));
        return;
      }
      const { train, validation } = manifest.splits;
      const split = (tokens: number, documents: number, size: number) =>
        `${count(tokens)} tokens, ${documents} document${documents === 1 ? '' : 's'}, ${bytes(size)}`;
      const { empty, nearDuplicates } = manifest.skipped;
      console.log(`wrote ${flags.output} (tokenizer ${manifest.tokenizer.name}, vocabulary ${manifest.vocabSize})`);
      console.log(
        facts([
          ['train', split(train.tokens, train.documents, train.bytes)],
          ['validation', validation ? split(validation.tokens, validation.documents, validation.bytes) : 'none'],
          ['left out', `${nearDuplicates} near-duplicate and ${empty} empty documents`],
        ]),
      );
    });
}
