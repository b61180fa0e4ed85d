#!/usr/bin/env node
// The burgeon command. One file per subcommand; what fails with a BurgeonError prints one message and exits with 1.

import { Command } from 'commander';
import { packageVersion } from '../addon/load.ts';
import { BurgeonError } from '../errors.ts';
import { benchCommand } from './bench.ts';
import { compareCommand } from './compare.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { exportCommand } from './export.ts';
import { stopWithoutReader } from './interrupt.ts';
import { planCommand } from './plan.ts';
import { prepareCommand } from './prepare.ts';
import { reportCommand } from './report.ts';
import { sampleCommand } from './sample.ts';
import { selfcheckCommand } from './selfcheck.ts';
import { tokenizerCommand } from './tokenizer.ts';
import { trainCommand } from './train.ts';

const program = new Command('burgeon')
  .description(
    'Pretrains GPT-2 and Llama models with Evolving Subnetwork Training: each step computes only the sampled heads, neurons and layers.',
  )
  .version(packageVersion)
  .showHelpAfterError('(--help lists what there is)')
  .addHelpText(
    'after',
    '\nA first run:\n  burgeon prepare book.txt -o data/book --tokenizer chars\n  burgeon plan configs/shakespeare-char.yaml --set data.directory=data/book\n  burgeon train configs/shakespeare-char.yaml --set data.directory=data/book --set output=runs/book\n  burgeon sample runs/book',
  );

for (const command of [
  tokenizerCommand(),
  prepareCommand(),
  planCommand(),
  trainCommand(),
  reportCommand(),
  compareCommand(),
  evalCommand(),
  sampleCommand(),
  exportCommand(),
  benchCommand(),
  doctorCommand(),
  selfcheckCommand(),
]) {
  program.addCommand(command);
  for (const each of [command, ...command.commands]) each.showHelpAfterError('(--help lists what there is)');
}

stopWithoutReader();

try {
  await program.parseAsync();
} catch (error) {
  // A full disk or a missing permission is no fault of the program either; anything else shows where it came from.
  const isSystemError = error instanceof Error && 'syscall' in error;
  if (!(error instanceof BurgeonError || isSystemError)) throw error;
  console.error(`burgeon: ${error.message}`);
  process.exitCode = 1;
}
