// The machine and the build that a run or a measurement happened on.

import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import os from 'node:os';
import { packageRoot, packageVersion } from './load.ts';

export interface Host {
  processor: string;
  /** Cores that this process may use. */
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  burgeon: string;
  /** Of the clone that burgeon runs from, with "+changes" where its sources differ from it; null outside a clone. */
  commit: string | null;
}

export function describeHost(): Host {
  return {
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${process.arch}`,
    node: process.version,
    burgeon: packageVersion,
    commit: commit(),
  };
}

function commit(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    // Installed into somebody's project, the repository around it is theirs.
    if (realpathSync(git('rev-parse', '--show-toplevel')) !== realpathSync(packageRoot)) return null;
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'lib', 'native') ? '+changes' : '');
  } catch {
    return null;
  }
}
