// What this machine can do at best, several times over: the denominators of every "% of peak".

import { loadAddon, native } from '../addon/load.ts';
import { measureDevicePeak } from './device-peak.ts';
import type { BenchEntry } from './result-file.ts';
import type { Target } from './target.ts';

export interface PeakEntry extends BenchEntry {
  what: 'fp32' | 'bf16' | 'memory copy';
  /** Of the processor, or the CUDA device. */
  threads?: number;
  device?: string;
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

/**
 * Peaks of a CUDA device.
 * @param isTiny sizes for kernels that run on the host.
 * @returns undefined when the signal stopped it.
 * @throws {BurgeonError} as `measureDevicePeak`.
 */
export async function benchDevicePeak(
  target: Target,
  options: Omit<PeakBenchOptions, 'threads'> & { isTiny: boolean },
): Promise<PeakEntry[] | undefined> {
  const { rounds, isTiny, signal, onProgress } = options;
  const { device } = target;
  const samples = { fp32: [] as number[], bf16: [] as number[], copy: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    if (signal?.aborted) return undefined;
    onProgress?.(`peak: round ${round + 1} of ${rounds}`);
    const peak = await measureDevicePeak(target, isTiny);
    samples.fp32.push(peak.flops);
    samples.bf16.push(peak.bf16Flops);
    samples.copy.push(peak.bytes);
  }
  return [
    { key: `fp32 ${device}`, what: 'fp32', device, unit: 'FLOP/s', samples: samples.fp32 },
    { key: `bf16 ${device}`, what: 'bf16', device, unit: 'FLOP/s', samples: samples.bf16 },
    { key: `copy ${device}`, what: 'memory copy', device, unit: 'B/s', samples: samples.copy },
  ];
}
