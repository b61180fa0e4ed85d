// What is measured: the processor with so many threads, or one CUDA device.

import type { NativeBackendOptions, NativeCuda } from '../addon/binding.ts';
import { findCuda } from '../addon/cuda.ts';
import type { Device } from '../config/device.ts';
import { type ChosenDevice, chooseDevice } from '../model/device.ts';

export interface Target {
  /** 'cpu', 'reference' or one like 'cuda:0'. */
  device: Exclude<Device, 'auto' | 'cuda'>;
  /** Of the processor. */
  threads: number;
}

/** @throws {BurgeonError} ERR_BURGEON_BACKEND: no such word; ERR_BURGEON_CUDA. */
export function targetOf(device: Device | undefined, threads: number): Target {
  return { device: deviceName(chooseDevice(device)), threads };
}

/** One word for a chosen device: 'cuda:0' for 'cuda'. */
export function deviceName({ backend, cudaDevice }: ChosenDevice): Target['device'] {
  return (backend === 'cuda' ? `cuda:${cudaDevice}` : backend) as Target['device'];
}

export const isCuda = ({ device }: Pick<Target, 'device'>) => device.startsWith('cuda');

/** What names the target in a key: "threads=2" or "cuda:0". */
export function targetKey(target: Target): string {
  if (isCuda(target)) return target.device;
  return `${target.device === 'cpu' ? '' : `${target.device} `}threads=${target.threads}`;
}

export function nativeOptions({ device, threads }: Target): Omit<NativeBackendOptions, 'precision'> {
  return { ...chooseDevice(device), maxIsa: process.env.BURGEON_MAX_ISA ?? '', threads };
}

/** The CUDA device of a target and the library; undefined for others. */
export function describeCudaDevice(target: Target) {
  const cuda = isCuda(target) ? findCuda() : undefined;
  if (cuda === undefined || 'notUsed' in cuda) return undefined;
  const { devices, ...library }: NativeCuda = cuda;
  const found = devices[Number(target.device.slice('cuda:'.length))];
  return found && { ...library, ...found };
}

/** Whether the CUDA library's kernels run on the host, at a ten-thousandth of a GPU's speed: for tests. */
export const runsOnHost = (target: Target) => describeCudaDevice(target)?.architectures === 'the host';
