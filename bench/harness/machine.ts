// What a measurement ran on, recorded beside every result.

import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { loadAddon, packageVersion } from '../../lib/addon/load.ts';
import { measurePeak } from '../../lib/addon/peak.ts';

export async function describeMachine(threads: number) {
  const addon = loadAddon();
  if (addon.path.includes('Debug')) throw new Error(`benches refuse the Debug build ${addon.path}; remove build/Debug`);
  const peak = await measurePeak(threads);
  return {
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${process.arch}`,
    node: process.version,
    burgeon: packageVersion,
    commit: commit(),
    isa: process.env.BURGEON_MAX_ISA ?? addon.binding.bestIsa,
    threads,
    peakGflops: Math.round(peak.flopsPerSecond / 1e9),
    copyGBs: Math.round(peak.bytesPerSecond / 1e8) / 10,
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'lib', 'native') ? '+changes' : '');
  } catch {
    return 'unknown';
  }
}
