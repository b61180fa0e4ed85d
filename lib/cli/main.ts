#!/usr/bin/env node
// The burgeon command. One file per subcommand; what fails with a BurgeonError prints one message and exits with 1.

import process from 'node:process';
import { Command } from 'commander';
import { BurgeonError, isError } from '../errors.ts';
import { packageVersion } from '../package.ts';
import { onStderr, onStdout } from './colour.ts';
import { commands } from './commands.ts';
import { withHint } from './hints.ts';
import { listenAsFirstProcess, surviveLostOutput } from './interrupt.ts';

/** Commands with --set, which changes keys of a training configuration. */
const settable = ['plan', 'train', 'sweep'];

/** Keys are loaded where the command loads them anyway. */
async function keysFor(name: string): Promise<string[]> {
  if (!settable.includes(name)) return [];
  return (await import('../train/train-config.ts')).trainConfigKeys.map(({ key }) => key);
}

const helpNote = '(--help lists what there is)';
const output = {
  writeOut: (text: string) => process.stdout.write(onStdout.help(text)),
  writeErr: (text: string) => process.stderr.write(onStderr.help(text)),
};
const styledError = (message: string) => message.replace(/^error:/, onStderr.bad('error:'));

const program = new Command('burgeon')
  .description(
    'Pretrains GPT-2, Llama and Qwen2 models by training a part first: sampled heads, neurons and layers (Evolving Subnetwork Training), or a part that grows. What a step leaves out is not computed.',
  )
  .version(packageVersion)
  .showHelpAfterError(helpNote)
  .configureOutput({ ...output, outputError: (message, write) => write(styledError(message)) })
  .addHelpText(
    'after',
    '\nA first run:\n  burgeon init\n  burgeon prepare romeo-and-juliet.txt -o data/shakespeare -t chars\n  burgeon train shakespeare-char\n  burgeon sample runs/shakespeare-char --prompt "ROMEO:"',
  );

const wanted = process.argv[2] ?? '';
for (const name of Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)) {
  const command = await commands[name]!();
  program.addCommand(command);
  const keys = await keysFor(wanted);
  for (const each of [command, ...command.commands]) {
    const options = each.options.flatMap(({ long }) => long ?? []);
    each.showHelpAfterError(helpNote).configureOutput({
      ...output,
      outputError: (message, write) =>
        write(styledError(withHint({ message, args: process.argv.slice(3), options, keys }))),
    });
  }
}

surviveLostOutput();
listenAsFirstProcess();

try {
  await program.parseAsync();
} catch (error) {
  // A full disk or a missing permission is no fault of the program either; anything else shows where it came from.
  const isSystemError = isError(error) && 'syscall' in error;
  if (!(error instanceof BurgeonError || isSystemError)) throw error;
  console.error(`${onStderr.bad('burgeon:')} ${error.message}`);
  process.exitCode = 1;
}
