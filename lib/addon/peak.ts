// What this machine can do at best, measured once per process and thread count.

import { requireInteger } from '../config/require.ts';
import { loadAddon, native } from './load.ts';

export interface Peak {
  /** fp32 multiply-adds on registers and cache, x 2, all threads. */
  flopsPerSecond: number;
  /** The same with bfloat16 operands, summed in fp32; no faster than fp32 where the processor has no instruction for it. */
  bf16FlopsPerSecond: number;
  /** Copying memory far larger than the caches, read + written. */
  bytesPerSecond: number;
}

const measured = new Map<number, Promise<Peak>>();

/**
 * Takes under half a second the first time.
 * @param threads 1 to 1024.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BACKEND, ERR_BURGEON_OUT_OF_MEMORY.
 */
export async function measurePeak(threads: number): Promise<Peak> {
  requireInteger('threads', threads, 1);
  let peak = measured.get(threads);
  if (peak === undefined) {
    peak = native(() => loadAddon().binding.measurePeak(threads, process.env.BURGEON_MAX_ISA ?? ''));
    measured.set(threads, peak);
    peak.catch(() => measured.delete(threads));
  }
  return peak;
}
