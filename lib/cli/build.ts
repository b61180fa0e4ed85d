// burgeon build: the native parts for a machine that no package was built for, or for nvcc at hand.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import { cudaLibraryPath } from '../addon/cuda.ts';
import { addonFiles, findAddon } from '../addon/load.ts';
import { isClone, sourceRoot } from '../addon/packages.ts';
import { installCommand } from '../addon/platform.ts';
import { BurgeonError } from '../errors.ts';
import { packageVersion } from '../package.ts';

export function buildCommand(): Command {
  return new Command('build')
    .summary('compile the addon, or the CUDA library, on this machine')
    .description(
      'Compiles the addon on this machine, where no package has it. Takes a C++17 compiler (GCC 11 or Clang 12 or newer), make and python3, some minutes, and the package @burgeon/source.',
    )
    .option('--cuda', 'compile the library of the CUDA backend instead; takes nvcc 12.4 or newer and cmake')
    .action((flags: { cuda?: boolean }) => {
      const source = sourceRoot();
      if (source === undefined) {
        throw new BurgeonError(
          'ERR_BURGEON_BACKEND',
          `build: the sources are not installed; install them with: ${installCommand(`@burgeon/source@${packageVersion}`)}, then build again`,
        );
      }
      const script = flags.cuda ? ['build-cuda.mjs'] : ['build-addon.mjs', ...(isClone ? [] : ['--clean'])];
      const { status } = spawnSync(process.execPath, [path.join(source, 'scripts', script[0]!), ...script.slice(1)], {
        stdio: 'inherit',
      });
      if (status !== 0) {
        throw new BurgeonError('ERR_BURGEON_BACKEND', 'build: not built (the reason is above)');
      }
      console.log(flags.cuda ? cudaLibraryPath() : findAddon(addonFiles()).path);
    });
}
