// burgeon prepare: text files to token shards, or with --dry-run a look at what would be left out of them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { loadTokenizer } from '../checkpoint/load-tokenizer.ts';
import type { DataManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { someNames } from '../files/directory-kind.ts';
import { type FileReport, fileListName, readFileList } from '../prepare/file-list.ts';
import { findPassedOver } from '../prepare/input-files.ts';
import type { NearDuplicate } from '../prepare/near-duplicates/filter.ts';
import { nearDuplicateListName } from '../prepare/near-duplicates/list.ts';
import { type PrepareOptions, prepare } from '../prepare/prepare.ts';
import { type PreviewOptions, previewPrepare } from '../prepare/preview.ts';
import type { PrepareProgress, ProgressOptions } from '../prepare/progress.ts';
import { parseTextColumns } from '../prepare/text-columns.ts';
import { onStderr } from './colour.ts';
import { fileTable } from './file-list-text.ts';
import { bytes, count, counted, facts } from './format.ts';
import { interruptible } from './interrupt.ts';
import { nearDuplicateText } from './near-duplicate-text.ts';
import { integerAtLeast, integerBetween, numberBetween, textColumnOption } from './options.ts';
import { PrepareProgressText } from './prepare-progress.ts';
import { ProgressLine } from './progress.ts';
import { sayNote } from './say-note.ts';

interface PrepareFlags {
  output?: string;
  tokenizer: string;
  name?: string;
  valFraction: number;
  dropNearDuplicates?: boolean;
  delimiter?: string;
  textColumn: string[];
  shardTokens?: number;
  workers?: number;
  dryRun?: boolean;
  json?: boolean;
}

/** A name of ours, or else a path. */
async function chooseTokenizer(name: string): Promise<PrepareOptions['tokenizer']> {
  if (name === 'gpt2' || name === 'bytes' || name === 'chars') return name;
  if (existsSync(name)) return loadTokenizer(name);
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `--tokenizer: expected gpt2, bytes, chars, or the path of a tokenizer.json, a model, a run or a prepared data set, received "${name}"`,
  );
}

export function prepareCommand(): Command {
  return new Command('prepare')
    .summary('turn text files into token shards for training')
    .description(
      'Turns text files into token shards for training. Inputs are files (.txt, .md and any other text: one document each; ' +
        '.jsonl, .ndjson: one per line; .json: one per line or element; .parquet: one per row; text also as .gz or .zst), directories (searched for .txt, .md, .jsonl, .ndjson and .parquet) or patterns in quotes. A run that was interrupted is continued by the same command.',
    )
    .argument('<input...>', 'files, directories or patterns such as "docs/**/*.md"')
    .option('-o, --output <dir>', 'directory to write; a data set already there is replaced')
    .option(
      '-t, --tokenizer <name|path>',
      'gpt2: byte pairs, 50257 tokens; bytes: 256 tokens; chars: one per character; or the path of a tokenizer.json, a directory with one, a run or a prepared data set',
      'gpt2',
    )
    .option('--val-fraction <f>', 'share of the text held out for validation', numberBetween(0, 0.99), 0.1)
    .option(
      '--drop-near-duplicates',
      `leave out documents that mostly repeat earlier ones; ${nearDuplicateListName} lists them`,
    )
    .option('--dry-run', 'read everything, list the near-duplicates that would be left out, and write nothing')
    .option('--delimiter <text>', 'split text files into documents on this text')
    .addOption(textColumnOption())
    .option('--name <name>', 'beginning of the shard names (default: data)')
    .option('--shard-tokens <n>', 'tokens per shard (default: 100 million)', integerAtLeast(1))
    .option(
      '--workers <n>',
      'threads that read and encode, 0 for none beside the main one; the result does not depend on it (default: up to 4 ' +
        'that scan, 1 that encodes; each more takes some 50 MB)',
      integerBetween(0, 1024),
    )
    .option('--json', 'print the manifest as JSON; with --dry-run what was found')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon prepare book.txt -o data/book --tokenizer chars\n  burgeon prepare corpus/ "more/**/*.jsonl.gz" -o data/corpus\n  burgeon prepare "web/*.parquet" -o data/web --text-column content\n  burgeon prepare corpus/ "web/*.parquet" -o data/all --text-column "web/*.parquet=content"\n  burgeon prepare corpus/ --drop-near-duplicates --dry-run',
    )
    .action(async (inputs: string[], { dryRun, json, ...flags }: PrepareFlags, command: Command) => {
      const { tokenizer, valFraction, output, textColumn, ...others } = flags;
      const rest = { ...others, ...parseTextColumns(textColumn, inputs) };
      const chosen = await chooseTokenizer(tokenizer);
      if (dryRun) {
        await showPreview({ ...rest, inputs }, json);
        return notePassedOver(inputs);
      }
      if (output === undefined) {
        command.error("error: required option '-o, --output <dir>' not specified; only --dry-run goes without");
      }
      const manifest = await withProgress(
        { passes: 2, stopping: 'the same command goes on from here later' },
        (watched, line) => {
          const onNote = (note: string) => line.print(onStderr.note(note));
          return prepare({
            ...rest,
            ...watched,
            onNote,
            inputs,
            output,
            tokenizer: chosen,
            validationFraction: valFraction,
          });
        },
      );
      if (!manifest) return;
      await notePassedOver(inputs);
      for (const warning of manifest.warnings) console.error(`warning: ${warning}`);
      if (json) console.log(JSON.stringify(manifest, null, 2));
      else console.log(`wrote ${output} ${describe(output, manifest, await readFileList(output))}`);
    });
}

/** What lies in a directory that was given may have been meant too. */
async function notePassedOver(inputs: readonly string[]): Promise<void> {
  const others = await findPassedOver(inputs);
  if (others.length === 0) return;
  const verb = others.length === 1 ? 'was' : 'were';
  sayNote(
    `${counted(others.length, 'file')} of other kinds ${verb} not read (${someNames(others)}); name them, or give a pattern in quotes`,
  );
}

/** Prints near-duplicates as they are found, then what was read; or all as one JSON object. */
async function showPreview(options: PreviewOptions, json: boolean | undefined): Promise<void> {
  const nearDuplicates: NearDuplicate[] = [];
  const preview = await withProgress({ passes: 1, stopping: 'nothing was written' }, (watched, line) =>
    previewPrepare({
      ...options,
      ...watched,
      onNearDuplicate(document) {
        line.clear();
        if (json) nearDuplicates.push(document);
        else console.log(nearDuplicateText(document, options.delimiter !== undefined));
      },
    }),
  );
  if (!preview) return;
  if (json) {
    console.log(JSON.stringify({ ...preview, nearDuplicates }, null, 2));
    return;
  }
  const { source, skipped, files } = preview;
  const leftOut = options.dropNearDuplicates
    ? leftOutText(skipped)
    : `${documents(skipped.empty, 'empty ')}${blankText(skipped)}; near-duplicates are looked for with --drop-near-duplicates`;
  const head = facts([
    ['read', readText(source)],
    ['to leave out', leftOut],
  ]);
  console.log(`dry run, nothing was written\n${head}${files.length > 1 ? `\n\n${fileTable(files)}` : ''}`);
}

/**
 * Shows progress while `work` is done.
 * @param shown.passes   how often the text is read.
 * @param shown.stopping what an interrupt means to the user.
 * @returns undefined when the user stopped it.
 */
async function withProgress<Result>(
  { passes, stopping }: { passes: 1 | 2; stopping: string },
  work: (watched: ProgressOptions, line: ProgressLine) => Promise<Result>,
): Promise<Result | undefined> {
  const line = new ProgressLine();
  const progress = new PrepareProgressText(line.isLive, { passes });
  const onProgress = (report: PrepareProgress) => {
    progress.observe(report);
    line.update(() => progress.text(report));
  };
  try {
    const result = await interruptible(
      () => line.print(`stopping; ${stopping}`),
      (signal) => work({ signal, onProgress }, line),
    );
    if (result !== undefined) line.finish();
    return result;
  } finally {
    line.clear();
  }
}

function describe(
  output: string,
  { tokenizer, vocabSize, splits, source, skipped }: DataManifest,
  files: readonly FileReport[],
): string {
  const { train, validation } = splits;
  const split = (tokens: number, n: number, size: number) => `${count(tokens)} tokens, ${documents(n)}, ${bytes(size)}`;
  const listed = skipped.nearDuplicates > 0 ? `; listed in ${join(output, nearDuplicateListName)}` : '';
  return `(tokenizer ${tokenizer.name}, vocabulary ${vocabSize})\n${facts([
    ['read', readText(source)],
    ['left out', `${leftOutText(skipped)}${listed}`],
    ['train', split(train.tokens, train.documents, train.bytes)],
    ['validation', validation ? split(validation.tokens, validation.documents, validation.bytes) : 'none'],
  ])}${files.length > 1 ? `\n\n${fileTable(files, join(output, fileListName))}` : ''}`;
}

function readText(source: DataManifest['source']): string {
  return `${documents(source.documents)} in ${counted(source.files, 'file')}, ${bytes(source.bytes)} of text`;
}

function leftOutText({ nearDuplicates, empty, ...lines }: DataManifest['skipped']): string {
  return `${documents(nearDuplicates, 'near-duplicate ')}, ${documents(empty, 'empty ')}${blankText(lines)}`;
}

function blankText({ blankLines = 0 }: Pick<DataManifest['skipped'], 'blankLines'>): string {
  return blankLines === 0 ? '' : `, ${counted(blankLines, 'blank line')}`;
}

function documents(n: number, kind = ''): string {
  return counted(n, `${kind}document`);
}
