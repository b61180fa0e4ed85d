// What a measurement ran on, recorded beside every result.

import type { NativeCuda } from '../addon/binding.ts';
import { describeHost, type Host } from '../addon/host.ts';
import { loadAddon, native } from '../addon/load.ts';
import type { Peak } from '../addon/peak.ts';
import { BurgeonError } from '../errors.ts';
import { measureDevicePeak } from './device-peak.ts';
import { describeCudaDevice, isCuda, type Target } from './target.ts';

export interface Machine extends Host {
  isa: string;
  threads: number;
  /** Where a CUDA device was measured: the device and the library. */
  cuda?: Omit<NativeCuda, 'devices'> & { device: string; name: string; memoryBytes: number };
  /** Measured in the same run, on these threads or the device. */
  peakGflops: number;
  peakBf16Gflops: number;
  copyGBs: number;
  /** Of the processor, on average while its peak was measured; less than 1 where other processes ran. Earlier files have none. */
  processorShare?: number;
}

const isas = ['baseline', 'avx2', 'avx512', 'avx512bf16', 'amx'];

/**
 * Describes this machine and measures its peak, under a second.
 * @param isTiny whether a CUDA device gets sizes that kernels on the host take, which say nothing of a GPU.
 * @throws {BurgeonError} ERR_BURGEON_BACKEND for a Debug build, and as `measurePeak` or `measureDevicePeak`.
 */
export async function describeMachine(target: Target, isTiny = false): Promise<Machine> {
  const addon = loadAddon();
  requireRelease(addon.path);
  if (isCuda(target)) return describeDevice(target, isTiny);
  const { threads } = target;
  const peak = await bestPeak(threads);
  return {
    ...describeHost(),
    isa: usedIsa(addon.binding.bestIsa, process.env.BURGEON_MAX_ISA),
    threads,
    peakGflops: Math.round(peak.flopsPerSecond / 1e9),
    peakBf16Gflops: Math.round(peak.bf16FlopsPerSecond / 1e9),
    copyGBs: Math.round(peak.bytesPerSecond / 1e8) / 10,
    processorShare: Number(peak.processorShare.toFixed(3)),
  };
}

async function describeDevice(target: Target, isTiny: boolean): Promise<Machine> {
  const peak = await measureDevicePeak(target, isTiny);
  const { capability, ...cuda } = describeCudaDevice(target)!;
  const rounded = (value: number) => Number((value / 1e9).toPrecision(4));
  return {
    ...describeHost(),
    isa: `sm_${capability.replace('.', '')}`,
    threads: target.threads,
    cuda: { device: target.device, ...cuda },
    peakGflops: rounded(peak.flops),
    peakBf16Gflops: rounded(peak.bf16Flops),
    copyGBs: rounded(peak.bytes),
  };
}

/** Measurements whose best counts: what else runs for a moment then does not make the peak too low. */
const peakMeasurements = 5;

/** The best speeds, and the mean share of the processor. */
async function bestPeak(threads: number): Promise<Peak> {
  const best: Peak = { flopsPerSecond: 0, bf16FlopsPerSecond: 0, bytesPerSecond: 0, processorShare: 0 };
  for (let i = 0; i < peakMeasurements; i++) {
    const peak = await native(() => loadAddon().binding.measurePeak(threads, process.env.BURGEON_MAX_ISA ?? ''));
    for (const name of Object.keys(best) as (keyof Peak)[]) {
      if (name !== 'processorShare') best[name] = Math.max(best[name], peak[name]);
      else best[name] += peak[name] / peakMeasurements;
    }
  }
  return best;
}

/** Timings of a Debug build say nothing. @throws {BurgeonError} ERR_BURGEON_BACKEND. */
export function requireRelease(addonPath: string): void {
  if (!/[\\/]Debug[\\/]/.test(addonPath)) return;
  throw new BurgeonError(
    'ERR_BURGEON_BACKEND',
    `bench: expected a Release build, loaded the Debug build ${addonPath}; remove build/Debug`,
  );
}

/** The lower of the best instruction set and the one that BURGEON_MAX_ISA allows. */
export function usedIsa(best: string, allowed: string | undefined): string {
  if (allowed === undefined || allowed === '') return best;
  return isas[Math.min(isas.indexOf(best), isas.indexOf(allowed))] ?? best;
}
