// burgeon tokenizer: learns one from text.

import { Command } from 'commander';
import { parseTextColumns } from '../prepare/text-columns.ts';
import { trainTokenizer } from '../prepare/train-tokenizer.ts';
import { bytes, count, facts, percent } from './format.ts';
import { interruptible } from './interrupt.ts';
import { integerAtLeast, integerBetween, textColumnOption } from './options.ts';
import { ProgressLine } from './progress.ts';

interface TrainFlags {
  output: string;
  vocabSize: number;
  minFrequency?: number;
  delimiter?: string;
  textColumn: string[];
  json?: boolean;
}

export function tokenizerCommand(): Command {
  return new Command('tokenizer')
    .summary('make a tokenizer')
    .description('Makes tokenizers: "train" learns one from text. Give its directory to "burgeon prepare --tokenizer".')
    .addHelpText(
      'after',
      '\nExample:\n  burgeon tokenizer train book.txt --vocab-size 4096 -o tokenizers/book\n  burgeon prepare book.txt -o data/book --tokenizer tokenizers/book',
    )
    .addCommand(trainCommand());
}

function trainCommand(): Command {
  return new Command('train')
    .summary('learn byte pair encoding from text')
    .description(
      'Learns byte-level byte pair encoding, as GPT-2 has it, from text files, and writes the files that transformers ' +
        'and burgeon load. Inputs are those of "burgeon prepare". The same text gives the same tokenizer.',
    )
    .argument('<input...>', 'files, directories or patterns such as "docs/**/*.md"')
    .requiredOption('-o, --output <dir>', 'directory to write; a tokenizer already there is replaced')
    .requiredOption(
      '--vocab-size <n>',
      'tokens in all: 256 bytes, merges and <|endoftext|>',
      integerBetween(257, 2 ** 24),
    )
    .option('--min-frequency <n>', 'merge only pairs that occur so often (default: 2)', integerAtLeast(1))
    .option('--delimiter <text>', 'split text files into documents on this text')
    .addOption(textColumnOption())
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  burgeon tokenizer train corpus/ --vocab-size 32000 -o tokenizers/corpus')
    .action(async (inputs: string[], flags: TrainFlags) => {
      const progress = new ProgressLine();
      const sayStopping = () => progress.print('stopping; nothing will be written');
      const trained = await interruptible(sayStopping, (signal) =>
        trainTokenizer({
          signal,
          onNote: (note) => progress.print(`note: ${note}`),
          inputs,
          output: flags.output,
          vocabSize: flags.vocabSize,
          minFrequency: flags.minFrequency,
          delimiter: flags.delimiter,
          ...parseTextColumns(flags.textColumn, inputs),
          onProgress: ({ phase, done, total }) =>
            progress.update(() => {
              const [what, show] = phase === 'read' ? ['reading', bytes] : ['learning tokens:', count];
              return `${what} ${show(done)} of ${show(total)} (${percent(total === 0 ? 1 : done / total, 0)})`;
            }),
        }),
      ).finally(() => progress.clear());
      if (trained === undefined) return;
      progress.finish();
      if (trained.vocabSize < flags.vocabSize) {
        console.error(
          `warning: the text has pairs for a vocabulary of ${trained.vocabSize}, not ${flags.vocabSize}; give it more ` +
            'text, or a lower --min-frequency',
        );
      }
      if (flags.json) {
        console.log(JSON.stringify(trained, null, 2));
        return;
      }
      console.log(`wrote ${flags.output} (vocabulary ${trained.vocabSize})`);
      console.log(
        facts([
          ['learned from', bytes(trained.bytes)],
          ['merges', String(trained.merges)],
          ['files', trained.files.join(', ')],
        ]),
      );
    });
}
