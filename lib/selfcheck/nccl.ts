// Whether NCCL carries what it should, as far as one device can tell.

import { cudaLibraryPath, findCuda, ncclPath } from '../addon/cuda.ts';
import { loadAddon, native } from '../addon/load.ts';
import type { Device } from '../config/device.ts';
import { chooseDevice } from '../model/device.ts';
import type { Measurement } from './checks.ts';

const bytes = 2 ** 24 + 12;

/** Why that cannot be checked; undefined where it can. */
export function ncclProblem(): string | undefined {
  const cuda = findCuda();
  if ('notUsed' in cuda) return cuda.notUsed;
  return cuda.nccl.startsWith('NCCL') ? undefined : `gradients go through ${cuda.nccl}`;
}

/** A communicator of one rank, whose device sends to itself. */
export async function ncclOfOneRank(device: Device): Promise<Measurement[]> {
  const { cudaDevice = 0 } = chooseDevice(device);
  const measured = await native(() => loadAddon().binding.checkNccl(cudaLibraryPath(), cudaDevice, ncclPath(), bytes));
  return [{ what: `of ${bytes} bytes that a device sent to itself, others came back`, measured, bound: 0 }];
}
