// Whether CUDA can be used on this machine, and if not, why.

import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { BurgeonError } from '../errors.ts';
import { packageRoot } from '../package.ts';
import type { NativeCuda } from './binding.ts';
import { loadAddon, nativeSync } from './load.ts';
import { fileOfPackage, isClone, sourceRoot } from './packages.ts';
import { platformPackage } from './platform.ts';

const library = 'libburgeon_cuda.so';

/** Where the CUDA library is looked for: BURGEON_CUDA_LIBRARY, else a build of this machine, else the platform's package. */
export function cudaLibraryPath(): string {
  const given = process.env.BURGEON_CUDA_LIBRARY;
  if (given) return path.resolve(given);
  const own = path.join(sourceRoot() ?? packageRoot, 'build', 'cuda', library);
  if (isClone || existsSync(own)) return own;
  return fileOfPackage(`${platformPackage()}-cuda`, library) ?? own;
}

/** As `cublasLt` of NativeModelOptions: BURGEON_CUBLASLT. */
export const cublasLtPath = (): string => libraryFrom('BURGEON_CUBLASLT');

/** As `nccl` of NativeModelOptions: BURGEON_NCCL_LIBRARY. */
export const ncclPath = (): string => libraryFrom('BURGEON_NCCL_LIBRARY');

function libraryFrom(variable: string): string {
  const given = process.env[variable] ?? '';
  return given === '' || given === 'off' ? given : path.resolve(given);
}

/** What there is of CUDA, or in one line why no device can be used. */
export function findCuda(): NativeCuda | { notUsed: string } {
  try {
    return nativeSync(() => loadAddon().binding.describeCuda(cudaLibraryPath(), cublasLtPath(), ncclPath()));
  } catch (error) {
    if (error instanceof BurgeonError && error.code === 'ERR_BURGEON_CUDA') return { notUsed: error.message };
    throw error;
  }
}

/**
 * What is lost where cuBLASLt is not there: on capability 9 its products are a good deal faster than the kernels' own.
 * @returns undefined where it is there, is off on purpose, or matters less.
 */
export function slowProductsNote(): string | undefined {
  const cuda = findCuda();
  if ('notUsed' in cuda || cublasLtPath() === 'off' || !cuda.products.startsWith('own kernels')) return undefined;
  if (!cuda.devices.some(({ capability }) => capability.startsWith('9.'))) return undefined;
  return (
    `products are computed by ${cuda.products}: training is slower than it could be. ` +
    'Install it (pip install nvidia-cublas), or name it with BURGEON_CUBLASLT; BURGEON_CUBLASLT=off says that this is meant'
  );
}
