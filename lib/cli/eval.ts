// burgeon eval: how good a model is, by its loss on token shards or by its answers to multiple-choice questions.

import { Command, Option } from 'commander';
import { tokenTypes } from '../data/token-type.ts';
import { Model } from '../model/model.ts';
import { evalChoices } from './eval-choices.ts';
import type { EvalFlags } from './eval-flags.ts';
import { evalShards } from './eval-shards.ts';
import { modelArgumentHelp, namedModel, whatIsTrained } from './model-argument.ts';
import { bestOption, countOrAll, deviceOption, engineOptions, integerAtLeast, threadsOption } from './options.ts';
import { sayNote } from './say-note.ts';

export function evalCommand(): Command {
  return new Command('eval')
    .summary('loss of a model, or its answers to multiple-choice questions')
    .description(
      'Computes the loss of a model on a prepared data set or on token shards (--data),\nor how often it finds the right ending of multiple-choice questions (--choices).',
    )
    .argument('<model>', modelArgumentHelp)
    .option('--data <dir|pattern>', 'directory of `burgeon prepare`, or token shards')
    .addOption(
      new Option('--split <name>', 'split of a prepared data set')
        .choices(['train', 'validation'])
        .default('validation'),
    )
    .addOption(
      new Option('--dtype <type>', 'type of the ids in files without a header (default: uint16)').choices(tokenTypes),
    )
    .option('--windows <n|all>', 'sequences to use, evenly spaced', countOrAll, 'all')
    .option(
      '--sequence-length <n>',
      "most tokens of a sequence (default: as in training, else the model's context length)",
      integerAtLeast(1),
    )
    .addOption(
      new Option('--choices <file>', 'questions: HellaSwag-style .jsonl, or an evaluation .bin of llm.c').conflicts([
        'data',
        'split',
        'dtype',
        'windows',
      ]),
    )
    .addOption(
      new Option('--limit <n>', 'use only the first n questions (default: all)')
        .argParser(integerAtLeast(1))
        .conflicts(['data']),
    )
    .addOption(
      new Option('--tokenizer <name>', "tokenizer, where the model's directory has none").choices(['gpt2', 'bytes']),
    )
    .option('--batch-size <n>', 'sequences at once', integerAtLeast(1), 8)
    .addOption(bestOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon eval runs/shakespeare-char --data data/shakespeare\n  burgeon eval runs/shakespeare-char --best --data data/shakespeare\n  burgeon eval runs/shakespeare-char --choices questions.jsonl --limit 100',
    )
    .action(async (given: string, flags: EvalFlags, command: Command) => {
      const { data, choices } = flags;
      if (data === undefined && choices === undefined) command.error('error: expected --data or --choices');
      const directory = await namedModel(given, flags.best);
      using model = await Model.load(directory, engineOptions(flags));
      const { notes, ...trained } = await whatIsTrained(model, directory, flags.sequenceLength);
      notes.forEach(sayNote);
      if (choices !== undefined) await evalChoices(model, directory, { ...flags, ...trained, choices });
      else await evalShards(model, directory, { ...flags, ...trained, data: data! });
    });
}
