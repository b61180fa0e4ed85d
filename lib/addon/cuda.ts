// Whether CUDA can be used on this machine, and if not, why.

import path from 'node:path';
import process from 'node:process';
import { BurgeonError } from '../errors.ts';
import type { NativeCuda } from './binding.ts';
import { loadAddon, nativeSync, packageRoot } from './load.ts';

/** Where the CUDA library is looked for: BURGEON_CUDA_LIBRARY, else where `npm run build:cuda` puts it. */
export function cudaLibraryPath(): string {
  const given = process.env.BURGEON_CUDA_LIBRARY;
  return given ? path.resolve(given) : path.join(packageRoot, 'build', 'cuda', 'libburgeon_cuda.so');
}

/** As `cublasLt` of NativeModelOptions: BURGEON_CUBLASLT. */
export function cublasLtPath(): string {
  const given = process.env.BURGEON_CUBLASLT ?? '';
  return given === '' || given === 'off' ? given : path.resolve(given);
}

/** What there is of CUDA, or in one line why no device can be used. */
export function findCuda(): NativeCuda | { notUsed: string } {
  try {
    return nativeSync(() => loadAddon().binding.describeCuda(cudaLibraryPath(), cublasLtPath()));
  } catch (error) {
    if (error instanceof BurgeonError && error.code === 'ERR_BURGEON_CUDA') return { notUsed: error.message };
    throw error;
  }
}
