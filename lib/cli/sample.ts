// burgeon sample: text from a model, as it comes.

import { Command, Option } from 'commander';
import type { Device } from '../config/device.ts';
import { Model } from '../model/model.ts';
import { sampleText } from '../train/text-sample.ts';
import { interruptSignal } from './interrupt.ts';
import { modelArgumentHelp, modelTokenizer, namedModel, whatIsTrained } from './model-argument.ts';
import { bestOption, deviceOption, engineOptions, integerAtLeast, numberBetween, threadsOption } from './options.ts';
import { readStdin } from './read-stdin.ts';
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
  best?: boolean;
  json?: boolean;
}

export function sampleCommand(): Command {
  return new Command('sample')
    .summary('write text with a model')
    .description('Writes text with a model, streaming to standard output. The same seed gives the same text.')
    .argument('<model>', modelArgumentHelp)
    .option('-p, --prompt <text>', 'text to continue; - reads it from standard input', '')
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
    .addOption(bestOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option('--json', 'print prompt, continuation and settings as JSON, once all is there')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon sample runs/shakespeare-char --prompt "ROMEO:" --tokens 500\n  burgeon sample runs/shakespeare-char --prompt - --best --json < prompt.txt',
    )
    .action(async (given: string, flags: SampleFlags) => {
      const directory = await namedModel(given, flags.best);
      const prompt = flags.prompt === '-' ? await readStdin('the prompt') : flags.prompt;
      const interrupt = interruptSignal(() => {});
      try {
        using model = await Model.load(directory, engineOptions(flags));
        const tokenizer = await modelTokenizer(directory, flags.tokenizer);
        const { subnetwork, sequenceLength, notes } = await whatIsTrained(model, directory);
        notes.forEach(sayNote);
        const { tokens: maxTokens, temperature, topK, topP, seed } = flags;
        const text = await sampleText(model, tokenizer, prompt, {
          maxTokens,
          temperature,
          topK,
          topP,
          seed,
          subnetwork,
          sequenceLength,
          signal: interrupt.signal,
          onText: (text) => {
            if (!flags.json) process.stdout.write(text);
          },
        });
        const settings = { tokens: maxTokens, temperature, topK, topP, seed };
        const asJson = { model: directory, prompt, continuation: text.slice(prompt.length), ...settings };
        process.stdout.write(`${flags.json ? JSON.stringify(asJson) : ''}\n`);
      } finally {
        interrupt.release();
      }
    });
}
