// burgeon sample: text from a model, as it comes.

import { Command, Option } from 'commander';
import { findModel } from '../checkpoint/find-model.ts';
import type { Device } from '../config/device.ts';
import { Model } from '../model/model.ts';
import { sampleText } from '../train/text-sample.ts';
import { interruptSignal } from './interrupt.ts';
import { modelArgumentHelp, modelTokenizer, whatIsTrained } from './model-argument.ts';
import { deviceOption, engineOptions, integerAtLeast, numberBetween, threadsOption } from './options.ts';
import { sayNote } from './say-note.ts';

interface SampleFlags {
  prompt: string;
  tokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
  tokenizer?: 'gpt2' | 'bytes';
  device?: Device;
  threads?: number;
}

export function sampleCommand(): Command {
  return new Command('sample')
    .summary('write text with a model')
    .description('Writes text with a model, streaming to standard output. The same seed gives the same text.')
    .argument('<model>', modelArgumentHelp)
    .option('-p, --prompt <text>', 'text to continue', '')
    .option('-n, --tokens <n>', 'most tokens to add', integerAtLeast(0), 300)
    .option(
      '--temperature <t>',
      'below 1 safer, above 1 wilder, 0 always the likeliest token',
      numberBetween(0, Infinity),
      0.8,
    )
    .option('--top-k <k>', 'choose among the k likeliest tokens; 0: all', integerAtLeast(0), 0)
    .option(
      '--top-p <p>',
      'choose among the likeliest tokens that reach this probability together',
      numberBetween(1e-9, 1),
      1,
    )
    .option('--seed <n>', 'fixes the text', integerAtLeast(0), 1)
    .addOption(
      new Option('--tokenizer <name>', "tokenizer, where the model's directory has none").choices(['gpt2', 'bytes']),
    )
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addHelpText('after', '\nExample:\n  burgeon sample runs/shakespeare-char --prompt "ROMEO:" --tokens 500')
    .action(async (given: string, flags: SampleFlags) => {
      const directory = await findModel(given, sayNote);
      const interrupt = interruptSignal(() => {});
      try {
        using model = await Model.load(directory, engineOptions(flags));
        const tokenizer = await modelTokenizer(directory, flags.tokenizer);
        const { subnetwork, sequenceLength, notes } = await whatIsTrained(model, directory);
        notes.forEach(sayNote);
        const { tokens: maxTokens, temperature, topK, topP, seed } = flags;
        await sampleText(model, tokenizer, flags.prompt, {
          maxTokens,
          temperature,
          topK,
          topP,
          seed,
          subnetwork,
          sequenceLength,
          signal: interrupt.signal,
          onText: (text) => process.stdout.write(text),
        });
        process.stdout.write('\n');
      } finally {
        interrupt.release();
      }
    });
}
