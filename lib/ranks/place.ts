// Which of several processes this one is.

/** The variable by which a rank chooses among the CUDA devices of its host, where the configuration says no more than `cuda`. */
export const cudaDeviceVariable = 'BURGEON_CUDA_DEVICE';

export type Launcher = 'torchrun' | 'open-mpi' | 'pmi' | 'slurm' | 'burgeon';

/** A process that trains together with others: one rank of `size`. */
export interface RankPlace {
  /** 0 to size - 1. */
  rank: number;
  /** At least 2. */
  size: number;
  /** Among the ranks of this host: 0 to localSize - 1. */
  localRank: number;
  localSize: number;
  /** What started it. */
  launcher: Launcher;
  /** Host of rank 0: a name or an address. */
  address: string;
  /** Where rank 0 listens. */
  port: number;
}

/** "rank 1 of 4, by torchrun". */
export function describeRank({ rank, size, launcher }: RankPlace): string {
  return `rank ${rank} of ${size}, started by ${launcherNames[launcher]}`;
}

export const launcherNames: Record<Launcher, string> = {
  torchrun: 'torchrun or one that sets the same variables',
  'open-mpi': "Open MPI's mpirun",
  pmi: 'an mpiexec of the MPICH family',
  slurm: 'srun',
  burgeon: 'burgeon train --ranks',
};
