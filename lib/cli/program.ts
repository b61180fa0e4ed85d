// What the burgeon command does. One file per subcommand (commands.ts); main.ts says what fails.

import process from 'node:process';
import { Command } from 'commander';
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

/** Runs the command that the arguments of the process name. @throws what the command throws. */
export async function runProgram(): Promise<void> {
  const program = new Command('burgeon')
    .description(
      'Pretrains GPT-2, Llama and Qwen2 models by training a part first: sampled heads, neurons and layers (Evolving Subnetwork Training), or a part that grows. What a step leaves out is not computed.',
    )
    .version(packageVersion)
    .showHelpAfterError(helpNote)
    .configureOutput({ ...output, outputError: (message, write) => write(styledError(message)) })
    .addHelpText(
      'after',
      '\nA first run:\n  npx burgeon init\n  npx burgeon prepare romeo-and-juliet.txt -o data/shakespeare -t chars\n  npx burgeon train shakespeare-char\n  npx burgeon sample runs/shakespeare-char --prompt "ROMEO:"',
    );

  const wanted = process.argv[2] ?? '';
  const keys = await keysFor(wanted);
  for (const name of Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)) {
    const command = await commands[name]!();
    program.addCommand(command);
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

  await program.parseAsync();
}
