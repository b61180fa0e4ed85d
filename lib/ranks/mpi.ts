// The library that speaks MPI, where there is one.

import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { sourceRoot } from '../addon/packages.ts';
import { packageRoot } from '../package.ts';

/** BURGEON_MPI_LIBRARY, else a build of this machine (`npm run build:mpi`); undefined where there is none, or it is `off`. */
export function mpiLibraryPath(): string | undefined {
  const given = process.env.BURGEON_MPI_LIBRARY;
  if (given === 'off') return undefined;
  if (given) return path.resolve(given);
  const own = path.join(sourceRoot() ?? packageRoot, 'build', 'mpi', 'libburgeon_mpi.so');
  return existsSync(own) ? own : undefined;
}
