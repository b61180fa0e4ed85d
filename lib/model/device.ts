// Which backend and device a model gets.

import process from 'node:process';
import type { NativeModelOptions } from '../addon/binding.ts';
import { cublasLtPath, cudaLibraryPath, findCuda, ncclPath } from '../addon/cuda.ts';
import { type Device, deviceWords, isDevice } from '../config/device.ts';
import { BurgeonError } from '../errors.ts';
import { cudaDeviceVariable } from '../ranks/place.ts';
import { integerOf } from '../ranks/variables.ts';
import { describe } from './arguments.ts';

export type ChosenDevice = Pick<
  NativeModelOptions,
  'backend' | 'cudaLibrary' | 'cudaDevice' | 'cublasLt' | 'cudaPlans' | 'nccl'
>;

/** @throws {BurgeonError} ERR_BURGEON_BACKEND: no such word. Whether a CUDA device works is seen when it is opened. */
export function chooseDevice(device: Device = 'auto'): ChosenDevice {
  const word = check('device', device);
  if (word !== 'auto') return named(word);
  const given = process.env.BURGEON_DEVICE;
  const fromEnvironment = given ? check('BURGEON_DEVICE', given) : 'auto';
  if (fromEnvironment !== 'auto') return named(fromEnvironment);
  return named('notUsed' in findCuda() ? 'cpu' : 'cuda');
}

function named(word: Device): ChosenDevice {
  if (!word.startsWith('cuda')) return { backend: word };
  return {
    backend: 'cuda',
    cudaLibrary: cudaLibraryPath(),
    cudaDevice: word === 'cuda' ? ownCudaDevice() : Number(word.slice('cuda:'.length)),
    cublasLt: cublasLtPath(),
    cudaPlans: process.env.BURGEON_CUDA_PLANS ?? '',
    nccl: ncclPath(),
  };
}

/** Of the variable by which a rank is told its device. Where there are fewer, ranks share them; a launcher may show each rank its own alone. */
function ownCudaDevice(): number {
  const wanted = integerOf(process.env, cudaDeviceVariable, 0, 1023) ?? 0;
  if (wanted === 0) return 0;
  const cuda = findCuda();
  return 'notUsed' in cuda ? wanted : wanted % cuda.devices.length;
}

function check(name: string, word: unknown): Device {
  if (isDevice(word)) return word;
  throw new BurgeonError('ERR_BURGEON_BACKEND', `${name}: expected ${deviceWords}, received ${describe(word)}`);
}
