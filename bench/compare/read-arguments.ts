// Command lines of the comparisons: a mistake is one line and exit code 2.

import { type ParseArgsConfig, parseArgs } from 'node:util';

export function readArguments<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${(error as Error).message}\nsee --help`);
    process.exit(2);
  }
}
