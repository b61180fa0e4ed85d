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
  /** Of the time while FLOPs were measured, in which the threads ran: less than 1 where other processes did. */
  processorShare: number;
}

/** What FLOPs of products in a precision are a share of. */
export function peakFlops(peak: Peak, precision: string): number {
  return precision === 'bf16' ? peak.bf16FlopsPerSecond : peak.flopsPerSecond;
}

/** Timings are little worth where other processes run for a larger share than this. */
const quietShare = 0.9;

/** Whether other processes ran while the peak was measured. */
export function isBusy({ processorShare }: Pick<Peak, 'processorShare'>): boolean {
  return processorShare < quietShare;
}

/** For people; undefined on a machine that is not busy. */
export function busyNote({ processorShare }: Peak): string | undefined {
  if (!isBusy({ processorShare })) return undefined;
  return `other processes took ${Math.round(100 * (1 - processorShare))} % of the processor while its peak was measured: the peak is right all the same, but times, MFU and ETA are of a busy machine`;
}

const measured = new Map<number, Promise<Peak>>();

/**
 * Takes under half a second the first time. FLOPs go by the time that threads run, so that a busy machine has the peak of an
 * idle one.
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
