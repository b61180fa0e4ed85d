#!/usr/bin/env node
// The burgeon command. One file per subcommand; what fails with a BurgeonError prints one message and exits with 1.

import process from 'node:process';
import { Command } from 'commander';
import { packageVersion } from '../addon/load.ts';
import { BurgeonError, isError } from '../errors.ts';
import { listenAsFirstProcess, surviveLostOutput } from './interrupt.ts';

/** In the order of the help. Only the command that is run is loaded: all of them take longer than some of them run. */
const commands: Record<string, () => Promise<Command>> = {
  tokenizer: async () => (await import('./tokenizer.ts')).tokenizerCommand(),
  prepare: async () => (await import('./prepare.ts')).prepareCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  sweep: async () => (await import('./sweep.ts')).sweepCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  compare: async () => (await import('./compare.ts')).compareCommand(),
  eval: async () => (await import('./eval.ts')).evalCommand(),
  sample: async () => (await import('./sample.ts')).sampleCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  export: async () => (await import('./export.ts')).exportCommand(),
  bench: async () => (await import('./bench.ts')).benchCommand(),
  selfcheck: async () => (await import('./selfcheck.ts')).selfcheckCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  build: async () => (await import('./build.ts')).buildCommand(),
};

/** `--set a=1 b=2` is the slip behind most arguments too many. */
function withHint(message: string, write: (text: string) => void): void {
  const isLikely = message.includes('too many arguments') && process.argv.includes('--set');
  write(isLikely ? `${message.trimEnd()} Every key=value needs a --set before it.\n` : message);
}

const program = new Command('burgeon')
  .description(
    'Pretrains GPT-2, Llama and Qwen2 models by training a part first: sampled heads, neurons and layers (Evolving Subnetwork Training), or a part that grows. What a step leaves out is not computed.',
  )
  .version(packageVersion)
  .showHelpAfterError('(--help lists what there is)')
  .addHelpText(
    'after',
    '\nA first run:\n  burgeon prepare book.txt -o data/book --tokenizer chars\n  burgeon plan configs/shakespeare-char.yaml --set data.directory=data/book\n  burgeon train configs/shakespeare-char.yaml --set data.directory=data/book --set output=runs/book\n  burgeon sample runs/book',
  );

const wanted = process.argv[2] ?? '';
for (const name of Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)) {
  const command = await commands[name]!();
  program.addCommand(command);
  for (const each of [command, ...command.commands]) {
    each.showHelpAfterError('(--help lists what there is)').configureOutput({ outputError: withHint });
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
  console.error(`burgeon: ${error.message}`);
  process.exitCode = 1;
}
