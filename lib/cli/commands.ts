// The subcommands of burgeon.

import type { Command } from 'commander';

/** In the order of the help. Only the command that is run is loaded: all of them take longer than some of them run. */
export const commands: Record<string, () => Promise<Command>> = {
  init: async () => (await import('./init.ts')).initCommand(),
  tokenizer: async () => (await import('./tokenizer.ts')).tokenizerCommand(),
  prepare: async () => (await import('./prepare.ts')).prepareCommand(),
  data: async () => (await import('./data.ts')).dataCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  presets: async () => (await import('./presets.ts')).presetsCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  sweep: async () => (await import('./sweep.ts')).sweepCommand(),
  dashboard: async () => (await import('./dashboard.ts')).dashboardCommand(),
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
