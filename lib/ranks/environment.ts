// Finds out from the environment whether this process is one rank of several, and which. Launchers are asked in turn; the first
// whose variables are set decides, so that one started inside another (torchrun in an srun step) counts. docs/distributed.md has
// the table. Pure, but for the default argument and the file in which PBS lists hosts.

import process from 'node:process';
import { BurgeonError } from '../errors.ts';
import { forgottenMpirun } from './jobs.ts';
import type { RankPlace } from './place.ts';
import { forgottenSrun, isSlurmStep, slurmJobHead, slurmLocalSize, slurmStepHead } from './slurm.ts';
import {
  type Environment,
  integerOf,
  isSet,
  listed,
  type NumberNames,
  type RankNumbers,
  readNumbers,
  textOf,
} from './variables.ts';

export type { RankPlace } from './place.ts';

/** The variable by which `burgeon train --ranks` marks the processes that it starts. */
export const launcherVariable = 'BURGEON_LAUNCHER';

/** Where nothing tells two jobs of a host apart: the port that torchrun takes unless told otherwise. */
const commonPort = 29_500;

/** All that a process needs to know, by the names that every launcher of PyTorch programs uses. */
const torchNames = { rank: 'RANK', size: 'WORLD_SIZE', localRank: 'LOCAL_RANK', localSize: 'LOCAL_WORLD_SIZE' };
const setAll =
  'set RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT for every rank, or unset RANK and WORLD_SIZE to train by one process';

interface Source {
  isThere(environment: Environment): boolean;
  read(environment: Environment): RankPlace | undefined;
}

const sources: Source[] = [
  { isThere: (environment) => isSet(environment, 'RANK', 'WORLD_SIZE'), read: readTorchrun },
  {
    isThere: (environment) => isSet(environment, 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'),
    read: readOpenMpi,
  },
  { isThere: (environment) => isSet(environment, 'PMI_RANK', 'PMI_SIZE'), read: readPmi },
  { isThere: isSlurmStep, read: readSlurm },
  { isThere: (environment) => isSet(environment, 'PMIX_RANK'), read: refuseLonePmix },
];

/**
 * The rank of this process, undefined where it trains alone.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where variables are missing, no numbers or contradict each other.
 */
export function detectRank(environment: Environment = process.env): RankPlace | undefined {
  return sources.find(({ isThere }) => isThere(environment))?.read(environment);
}

/** A warning where this is one process in a place that was made for several; undefined where it is not. */
export function forgottenLauncher(environment: Environment = process.env): string | undefined {
  if (sources.some(({ isThere }) => isThere(environment))) return undefined;
  return forgottenSrun(environment) ?? forgottenMpirun(environment);
}

/** torchrun, what sets the same (Kubeflow, SkyPilot, a manifest of Kubernetes), and burgeon itself. */
function readTorchrun(environment: Environment): RankPlace | undefined {
  const numbers = readNumbers(environment, torchNames, setAll, localOfTorchrun(environment));
  if (numbers === undefined) return undefined;
  const [address, port] = [textOf(environment, 'MASTER_ADDR'), masterPort(environment)];
  if (address === undefined || port === undefined) {
    const [name, what] = address === undefined ? ['MASTER_ADDR', 'the host'] : ['MASTER_PORT', 'the port'];
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${name}: expected ${what} of rank 0 besides ${listed(environment, ['RANK', 'WORLD_SIZE'])}, received nothing; ${setAll}`,
    );
  }
  if (textOf(environment, launcherVariable) === 'burgeon') return { ...numbers, launcher: 'burgeon', address, port };
  // torchrun itself listens at MASTER_PORT then, for what its programs tell each other.
  const isTaken = textOf(environment, 'TORCHELASTIC_USE_AGENT_STORE') === 'True';
  return { ...numbers, launcher: 'torchrun', address, port: isTaken ? portOf(`torchrun.${port}`) : port };
}

/** Without LOCAL_RANK there is one rank on a host, as in Kubeflow; with it alone, all are here if rank 0 is. */
function localOfTorchrun(environment: Environment) {
  if (isSet(environment, 'LOCAL_WORLD_SIZE')) return {};
  if (!isSet(environment, 'LOCAL_RANK')) return { localRank: 0, localSize: 1 };
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(textOf(environment, 'MASTER_ADDR') ?? '');
  return isHere ? { localSize: integerOf(environment, 'WORLD_SIZE', 1, Number.MAX_SAFE_INTEGER) } : {};
}

/** docs.open-mpi.org, "Environment variables set for MPI applications". */
function readOpenMpi(environment: Environment): RankPlace | undefined {
  const names = {
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  };
  const numbers = readNumbers(environment, names, `Open MPI's mpirun sets all of them; ${setAll}`);
  return numbers && { ...numbers, launcher: 'open-mpi', ...rankZeroOfMpi(environment, numbers, names) };
}

/** MPICH's and Intel's mpiexec (MPI_LOCALRANKID), Cray's PALS (PMI_LOCAL_RANK), and `srun --mpi=pmi2`, which leaves it to Slurm's. */
function readPmi(environment: Environment): RankPlace | undefined {
  const isCray = isSet(environment, 'PMI_LOCAL_RANK', 'PMI_LOCAL_SIZE');
  const isStep = !isCray && !isSet(environment, 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS') && isSlurmStep(environment);
  const names = {
    rank: 'PMI_RANK',
    size: 'PMI_SIZE',
    ...(isStep
      ? { localRank: 'SLURM_LOCALID', localSize: 'SLURM_STEP_TASKS_PER_NODE' }
      : isCray
        ? { localRank: 'PMI_LOCAL_RANK', localSize: 'PMI_LOCAL_SIZE' }
        : { localRank: 'MPI_LOCALRANKID', localSize: 'MPI_LOCALNRANKS' }),
  };
  const local = isStep ? { localSize: slurmLocalSize(environment) } : {};
  const numbers = readNumbers(environment, names, `an mpiexec of the MPICH family sets all of them; ${setAll}`, local);
  if (numbers === undefined) return undefined;
  const zero = isStep ? rankZeroOfStep(environment) : rankZeroOfMpi(environment, numbers, names);
  return { ...numbers, launcher: 'pmi', ...zero };
}

function readSlurm(environment: Environment): RankPlace | undefined {
  const names = {
    rank: 'SLURM_PROCID',
    size: isSet(environment, 'SLURM_STEP_NUM_TASKS') ? 'SLURM_STEP_NUM_TASKS' : 'SLURM_NTASKS',
    localRank: 'SLURM_LOCALID',
    localSize: 'SLURM_STEP_TASKS_PER_NODE',
  };
  const local = { localSize: slurmLocalSize(environment) };
  const numbers = readNumbers(environment, names, `srun sets all of them; ${setAll}`, local);
  return numbers && { ...numbers, launcher: 'slurm', ...rankZeroOfStep(environment) };
}

function refuseLonePmix(environment: Environment): never {
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `PMIX_RANK: expected a launcher that also tells the number of ranks, such as mpirun or srun, received ${listed(environment, ['PMIX_RANK'])} alone; ${setAll}`,
  );
}

/** MPI does not tell where rank 0 is: here, where all ranks are, or on the first host of a Slurm allocation. */
function rankZeroOfMpi(environment: Environment, { size, localSize }: RankNumbers, names: NumberNames) {
  const address = textOf(environment, 'MASTER_ADDR') ?? (localSize === size ? '127.0.0.1' : slurmJobHead(environment));
  if (address === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `MASTER_ADDR: expected the host of rank 0, as ${localSize} of ${size} ranks are on this host (${names.localSize}, ${names.size}), received nothing; set MASTER_ADDR and MASTER_PORT for every rank (Open MPI: mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500, MPICH: mpiexec -genv MASTER_ADDR HOST -genv MASTER_PORT 29500)`,
    );
  }
  const job = textOf(environment, 'PMIX_NAMESPACE') ?? textOf(environment, 'SLURM_JOB_ID');
  return { address, port: masterPort(environment) ?? (job === undefined ? commonPort : portOf(job)) };
}

function rankZeroOfStep(environment: Environment) {
  const address = textOf(environment, 'MASTER_ADDR') ?? slurmStepHead(environment);
  if (address === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      'SLURM_STEP_NODELIST: expected the nodes of this step, received nothing; start with srun, or set MASTER_ADDR and MASTER_PORT for every task',
    );
  }
  const [job = '', step = ''] = ['SLURM_JOB_ID', 'SLURM_STEP_ID'].map((name) => textOf(environment, name));
  return { address, port: masterPort(environment) ?? portOf(`${job}.${step}`) };
}

const masterPort = (environment: Environment) => integerOf(environment, 'MASTER_PORT', 1, 65_535);

/** A port from 20000 to 29999, the same for all ranks of a job: below those that Linux and Kubernetes hand out. FNV-1a. */
function portOf(job: string): number {
  let hash = 0x811c9dc5;
  for (const character of job) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  return 20_000 + (hash % 10_000);
}
