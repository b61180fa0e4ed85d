// What this machine can do at best, several times over: the denominators of every "% of peak".

import { loadAddon, native } from '../addon/load.ts';
import type { BenchEntry } from './result-file.ts';

export interface PeakEntry extends BenchEntry {
  what: 'fp32' | 'bf16' | 'memory copy';
  threads: number;
}

export interface PeakBenchOptions {
  /** Thread counts to measure, each 1 to 1024. */
  threads: readonly number[];
  /** Measurements of each, the best of twelve bursts each. */
  rounds: number;
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

/**
 * Peaks of every thread count in turn, about 0.15 s per count and round.
 * @returns undefined when the signal stopped it.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BACKEND, ERR_BURGEON_OUT_OF_MEMORY.
 */
export async function benchPeak(options: PeakBenchOptions): Promise<PeakEntry[] | undefined> {
  const { threads, rounds, signal, onProgress } = options;
  const entries = threads.flatMap((count): PeakEntry[] => [
    { key: `fp32 threads=${count}`, what: 'fp32', threads: count, unit: 'FLOP/s', samples: [] },
    { key: `bf16 threads=${count}`, what: 'bf16', threads: count, unit: 'FLOP/s', samples: [] },
    { key: `copy threads=${count}`, what: 'memory copy', threads: count, unit: 'B/s', samples: [] },
  ]);
  for (let round = 0; round < rounds; round++) {
    for (const [i, count] of threads.entries()) {
      if (signal?.aborted) return undefined;
      onProgress?.(`peak: round ${round + 1} of ${rounds}`);
      const peak = await native(() => loadAddon().binding.measurePeak(count, process.env.BURGEON_MAX_ISA ?? ''));
      entries[3 * i]!.samples.push(peak.flopsPerSecond);
      entries[3 * i + 1]!.samples.push(peak.bf16FlopsPerSecond);
      entries[3 * i + 2]!.samples.push(peak.bytesPerSecond);
    }
  }
  return entries;
}
