// How many threads a rank computes with, where nobody says: its share of the cores of its host.

import { readFileSync } from 'node:fs';
import os from 'node:os';

/**
 * The share of one of `localSize` ranks: of the cores of the host (or container), and no more than this process may run on, as
 * srun and mpirun bind processes to cores of their own.
 */
export function threadsOfRank(localSize: number, { all, own } = cores()): number {
  return Math.max(1, Math.min(own, Math.floor(all / localSize)));
}

/** all: cores that the first process of the host or container may run on. own: those of this process. */
function cores(): { all: number; own: number } {
  const own = os.availableParallelism();
  return { all: Math.max(own, coresOfFirstProcess() ?? os.cpus().length), own };
}

/** proc(5), Cpus_allowed_list: "0-3,8". undefined where it cannot be read. */
function coresOfFirstProcess(): number | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/1/status', 'utf8'))?.[1];
    return list === undefined ? undefined : coresOfList(list);
  } catch {
    return undefined;
  }
}

export function coresOfList(list: string): number {
  return list.split(',').reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}
