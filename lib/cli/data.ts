// burgeon data: looks at a prepared data set. What each of its commands prints is data-*.ts.

import { Command, InvalidArgumentError, Option } from 'commander';
import { decodeData } from './data-decode.ts';
import { showDropped } from './data-dropped.ts';
import { showDocument } from './data-show.ts';
import { showStatistics } from './data-stats.ts';
import { countOrAll, integerAtLeast } from './options.ts';

export function dataCommand(): Command {
  const data = new Command('data')
    .summary('look at a prepared data set: documents, tokens, lengths, what was left out')
    .description(
      'Looks at a data set that "burgeon prepare" has made: its documents with the boundaries of their tokens, tokens as text, ' +
        'how many there are of what, and what was left out as a near-duplicate of what.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon data show data/corpus 3\n  burgeon data decode data/corpus 15496 995\n  burgeon data stats data/corpus\n  burgeon data dropped data/corpus',
    );
  for (const command of [showCommand(), decodeCommand(), statsCommand(), droppedCommand()]) data.addCommand(command);
  return data;
}

const dirHelp = 'directory made by "burgeon prepare"';
const jsonHelp = 'print as JSON';

const splitOption = () =>
  new Option('--split <name>', 'which part of the data').choices(['train', 'validation']).default('train');

function showCommand(): Command {
  return new Command('show')
    .summary('a document, with the boundaries of its tokens')
    .description(
      'Shows the n-th document of a split, or one at random: its text with every second token on a ground of its own, or "│" between ' +
        'tokens where there are no colours.',
    )
    .argument('<dir>', dirHelp)
    .argument('[n]', 'which document of the split, from 1 (default: one at random)', integerAtLeast(1))
    .addOption(splitOption())
    .option('--seed <n>', 'which one at random', integerAtLeast(0), 1)
    .option('-n, --tokens <n>', 'show at most so many tokens, or all', countOrAll, 400)
    .option('--list', 'one token per line: position, id and text')
    .option('--json', jsonHelp)
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon data show data/corpus 3\n  burgeon data show data/corpus --split validation --seed 7 --list',
    )
    .action(showDocument);
}

function decodeCommand(): Command {
  return new Command('decode')
    .summary('tokens as text')
    .description('Prints the text of token ids, or of a range of tokens in a shard or a split, and nothing else.')
    .argument('<dir>', dirHelp)
    .argument('[ids...]', 'token ids, separated by spaces or commas', idList)
    .option('--shard <file>', 'tokens of this shard of the data set')
    .option('--split <name>', 'tokens of a split: train or validation')
    .option('--from <n>', 'with --shard or --split: the first token, from 0 (default: 0)', integerAtLeast(0))
    .option('--count <n>', 'with --shard or --split: how many tokens (default: 256)', integerAtLeast(1))
    .option('--marked', 'make the boundaries of tokens visible, as "burgeon data show" does')
    .option('--json', `${jsonHelp}: ids and text`)
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon data decode data/corpus 15496,995\n  burgeon data decode data/corpus --shard data_val_000000.bin --from 1000 --count 50',
    )
    .action(decodeData);
}

function statsCommand(): Command {
  return new Command('stats')
    .summary('counts, lengths of documents, vocabulary')
    .description(
      'Reads all tokens and prints, by split and shard, how many tokens and documents there are; how long documents are; the share of unknown ' +
        'tokens; which tokens are most frequent, and how many of the vocabulary never occur.',
    )
    .argument('<dir>', dirHelp)
    .option('--top <n>', 'how many of the most frequent tokens', integerAtLeast(0), 10)
    .option('--json', jsonHelp)
    .addHelpText('after', '\nExample:\n  burgeon data stats data/corpus --top 20')
    .action(showStatistics);
}

function droppedCommand(): Command {
  return new Command('dropped')
    .summary('what was left out as a near-duplicate, and of what')
    .description(
      'Lists the documents that "burgeon prepare --drop-near-duplicates" left out, how much of each repeats what was kept, and the kept ' +
        'documents that most of them repeat.',
    )
    .argument('<dir>', dirHelp)
    .option('--limit <n>', 'list at most so many documents, or all', countOrAll, 10)
    .option('--json', jsonHelp)
    .addHelpText('after', '\nExample:\n  burgeon data dropped data/corpus --limit all')
    .action(showDropped);
}

/** Of commander, which hands over one argument after the other. */
function idList(text: string, previous: number[] = []): number[] {
  const ids = text.split(',').filter((part) => part.trim() !== '');
  for (const id of ids) {
    if (!/^\s*\d+\s*$/.test(id)) throw new InvalidArgumentError('Expected token ids, separated by spaces or commas.');
  }
  return [...previous, ...ids.map(Number)];
}
