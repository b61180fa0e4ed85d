// What a CUDA device can do at best: large square products, and copies within its memory.

import { loadAddon, native } from '../addon/load.ts';
import { nativeOptions, type Target } from './target.ts';

/** Each best of several; rates per second. */
export interface DevicePeak {
  flops: number;
  bf16Flops: number;
  /** Read + written. */
  bytes: number;
}

interface PeakSizes {
  /** Edges of square products, of which the fastest counts. */
  bf16Edges: readonly number[];
  float32Edges: readonly number[];
  copiedBytes: number;
}

/** Far larger than caches; and tiny ones, for kernels that run on the host. */
const fullSizes: PeakSizes = { bf16Edges: [4096, 6144, 8192], float32Edges: [4096], copiedBytes: 2 ** 30 };
const tinySizes: PeakSizes = { bf16Edges: [32, 64], float32Edges: [64], copiedBytes: 2 ** 20 };

/** Repetitions whose best counts. */
const repetitions = 5;

/** @throws {BurgeonError} ERR_BURGEON_CUDA, ERR_BURGEON_BACKEND (also when a product is wrong), ERR_BURGEON_OUT_OF_MEMORY. */
export async function measureDevicePeak(target: Target, isTiny: boolean): Promise<DevicePeak> {
  const { bf16Edges, float32Edges, copiedBytes } = isTiny ? tinySizes : fullSizes;
  const { binding } = loadAddon();
  const options = { ...nativeOptions(target), rounds: repetitions };
  const product = async (precision: 'float32' | 'bf16', edges: readonly number[]) => {
    const shapes = edges.map((edge) => ({ n: edge, rows: edge, cols: edge }));
    const settings = { ...options, op: 'expand', precision, cold: false } as const;
    const timings = await native(() => binding.benchOpInTurn(settings, shapes));
    return Math.max(...timings.map(({ flops, ms }) => (1000 * flops) / Math.min(...ms)));
  };
  const bf16Flops = await product('bf16', bf16Edges);
  const flops = await product('float32', float32Edges);
  const ms = await native(() => binding.benchCopy({ ...options, precision: 'float32', bytes: copiedBytes }));
  return { flops, bf16Flops, bytes: (2000 * copiedBytes) / Math.min(...ms) };
}
