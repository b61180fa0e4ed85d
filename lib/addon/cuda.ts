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

/** @throws {BurgeonError} ERR_BURGEON_CUDA that says in one line why no device can be used. */
export function describeCuda(): NativeCuda {
  return nativeSync(() => loadAddon().binding.describeCuda(cudaLibraryPath()));
}

/** The reason why CUDA cannot be used, or undefined where it can. */
export function whyNoCuda(): string | undefined {
  try {
    describeCuda();
    return undefined;
  } catch (error) {
    if (error instanceof BurgeonError && error.code === 'ERR_BURGEON_CUDA') return error.message;
    throw error;
  }
}
