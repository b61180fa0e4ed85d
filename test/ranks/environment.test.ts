// Which rank a process is, by the variables that every launcher sets, and what is said where they are wrong.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { detectRank, forgottenLauncher } from '../../lib/ranks/environment.ts';
import { firstHost } from '../../lib/ranks/slurm.ts';

type Environment = Record<string, string>;

const torchrun = {
  RANK: '5',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '4',
  MASTER_ADDR: 'gpu1',
  MASTER_PORT: '29400',
};
/** Of Open MPI 4.1.4, mpirun -n 2. */
const openMpi = {
  OMPI_COMM_WORLD_RANK: '1',
  OMPI_COMM_WORLD_SIZE: '2',
  OMPI_COMM_WORLD_LOCAL_RANK: '1',
  OMPI_COMM_WORLD_LOCAL_SIZE: '2',
  OMPI_COMM_WORLD_NODE_RANK: '1',
  PMIX_NAMESPACE: '1804009473',
  PMIX_RANK: '1',
};
/** Of MPICH 4.0.2, mpiexec -n 2. */
const mpich = { PMI_RANK: '1', PMI_SIZE: '2', PMI_FD: '8', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' };
/** srun -N 2 --ntasks-per-node 2, the last task. */
const srun = {
  SLURM_JOB_ID: '4711',
  SLURM_STEP_ID: '0',
  SLURM_PROCID: '3',
  SLURM_NTASKS: '4',
  SLURM_STEP_NUM_TASKS: '4',
  SLURM_LOCALID: '1',
  SLURM_NODEID: '1',
  SLURM_STEP_TASKS_PER_NODE: '2(x2)',
  SLURM_STEP_NODELIST: 'node[07-08]',
  SLURM_JOB_NODELIST: 'node[06-08]',
};
/** A batch script of the same job. */
const sbatch = {
  SLURM_JOB_ID: '4711',
  SLURM_PROCID: '0',
  SLURM_LOCALID: '0',
  SLURM_NODEID: '0',
  SLURM_NTASKS: '4',
  SLURM_JOB_NUM_NODES: '3',
  SLURM_JOB_NODELIST: 'node[06-08]',
};
const without = (environment: Environment, ...names: string[]) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));
const port = expect.toSatisfy((value: number) => value >= 20_000 && value < 30_000);

describe('a rank is found', () => {
  test.each<[string, Environment, object]>([
    [
      'torchrun',
      torchrun,
      { rank: 5, size: 8, localRank: 1, localSize: 4, launcher: 'torchrun', address: 'gpu1', port: 29400 },
    ],
    [
      'torchrun that listens at MASTER_PORT itself',
      { ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'True' },
      { rank: 5, size: 8, localRank: 1, localSize: 4, launcher: 'torchrun', address: 'gpu1', port },
    ],
    [
      'Kubeflow, one process in a pod',
      without(torchrun, 'LOCAL_RANK', 'LOCAL_WORLD_SIZE'),
      { rank: 5, size: 8, localRank: 0, localSize: 1, launcher: 'torchrun', address: 'gpu1', port: 29400 },
    ],
    [
      'LOCAL_RANK alone, rank 0 on this host',
      { RANK: '1', WORLD_SIZE: '2', LOCAL_RANK: '1', MASTER_ADDR: 'localhost', MASTER_PORT: '1' },
      { rank: 1, size: 2, localRank: 1, localSize: 2, launcher: 'torchrun', address: 'localhost', port: 1 },
    ],
    [
      'burgeon',
      { ...torchrun, BURGEON_LAUNCHER: 'burgeon', TORCHELASTIC_USE_AGENT_STORE: 'True' },
      { rank: 5, size: 8, localRank: 1, localSize: 4, launcher: 'burgeon', address: 'gpu1', port: 29400 },
    ],
    [
      'Open MPI on one host',
      openMpi,
      { rank: 1, size: 2, localRank: 1, localSize: 2, launcher: 'open-mpi', address: '127.0.0.1', port },
    ],
    [
      'Open MPI, told where rank 0 is',
      { ...openMpi, OMPI_COMM_WORLD_SIZE: '4', MASTER_ADDR: 'head', MASTER_PORT: '4000' },
      { rank: 1, size: 4, localRank: 1, localSize: 2, launcher: 'open-mpi', address: 'head', port: 4000 },
    ],
    [
      'Open MPI in a batch script of Slurm',
      { ...sbatch, ...openMpi, OMPI_COMM_WORLD_SIZE: '4' },
      { rank: 1, size: 4, localRank: 1, localSize: 2, launcher: 'open-mpi', address: 'node06', port },
    ],
    [
      'MPICH, Intel MPI',
      mpich,
      { rank: 1, size: 2, localRank: 1, localSize: 2, launcher: 'pmi', address: '127.0.0.1', port: 29500 },
    ],
    [
      'Cray',
      { PMI_RANK: '2', PMI_SIZE: '4', PMI_LOCAL_RANK: '0', PMI_LOCAL_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '7' },
      { rank: 2, size: 4, localRank: 0, localSize: 2, launcher: 'pmi', address: 'a', port: 7 },
    ],
    ['Slurm', srun, { rank: 3, size: 4, localRank: 1, localSize: 2, launcher: 'slurm', address: 'node07', port }],
    [
      'Slurm without the variables of the step',
      {
        ...without(srun, 'SLURM_STEP_NUM_TASKS', 'SLURM_STEP_NODELIST', 'SLURM_STEP_TASKS_PER_NODE'),
        SLURM_TASKS_PER_NODE: '3,1',
        SLURM_LOCALID: '0',
      },
      { rank: 3, size: 4, localRank: 0, localSize: 1, launcher: 'slurm', address: 'node06', port },
    ],
    [
      'srun --mpi=pmi2',
      { ...srun, PMI_RANK: '3', PMI_SIZE: '4' },
      { rank: 3, size: 4, localRank: 1, localSize: 2, launcher: 'pmi', address: 'node07', port },
    ],
    [
      'srun --mpi=pmix',
      { ...srun, PMIX_RANK: '3', PMIX_NAMESPACE: 'slurm.pmix.4711.0' },
      { rank: 3, size: 4, localRank: 1, localSize: 2, launcher: 'slurm', address: 'node07', port },
    ],
    [
      'torchrun in an srun step',
      { ...srun, ...torchrun },
      { rank: 5, size: 8, localRank: 1, localSize: 4, launcher: 'torchrun', address: 'gpu1', port: 29400 },
    ],
  ])('%s', (_, environment, place) => expect(detectRank(environment)).toEqual(place));

  test('jobs have ports of their own, the ranks of a job the same', () => {
    const last = detectRank(srun)!.port;
    expect(detectRank({ ...srun, SLURM_PROCID: '2', SLURM_LOCALID: '0' })!.port).toBe(last);
    for (const other of [{ SLURM_JOB_ID: '4712' }, { SLURM_STEP_ID: '1' }]) {
      expect(detectRank({ ...srun, ...other })!.port).not.toBe(last);
    }
    const mpirun = detectRank(openMpi)!.port;
    expect(detectRank({ ...openMpi, OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_LOCAL_RANK: '0' })!.port).toBe(mpirun);
    expect(detectRank({ ...openMpi, PMIX_NAMESPACE: '1804009474' })!.port).not.toBe(mpirun);
  });
});

describe('one process', () => {
  test.each<[string, Environment]>([
    ['nothing is set', {}],
    ['variables are empty', { RANK: '', WORLD_SIZE: '' }],
    ['an address alone', { MASTER_ADDR: 'head', MASTER_PORT: '1' }],
    ['torchrun of one', { RANK: '0', WORLD_SIZE: '1' }],
    ['mpirun -n 1', { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' }],
    ['mpiexec -n 1', { PMI_RANK: '0', PMI_SIZE: '1' }],
    ['srun -n 1 in a larger job', { ...srun, SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '1' }],
    ['a batch script', sbatch],
    ['the shell of salloc', { ...srun, SLURM_STEP_ID: '4294967290', SLURM_PROCID: '0' }],
    ['one process of torchrun inside of mpirun', { ...openMpi, RANK: '0', WORLD_SIZE: '1' }],
  ])('%s', (_, environment) => expect(detectRank(environment)).toBeUndefined());
});

describe('what is wrong is named', () => {
  test.each<[Environment, RegExp]>([
    [{ RANK: '1' }, /^WORLD_SIZE: expected an integer from 1 to 65536 besides RANK="1", received nothing; set RANK, /],
    [{ WORLD_SIZE: '2' }, /^RANK: expected an integer from 0 to 1 besides WORLD_SIZE="2", received nothing; set /],
    [{ ...torchrun, RANK: '8' }, /^RANK: expected an integer from 0 to 7 \(WORLD_SIZE="8"\), received "8"$/],
    [{ ...torchrun, RANK: '-1' }, /^RANK: expected .*, received "-1"$/],
    [{ ...torchrun, RANK: '1.5' }, /^RANK: expected .*, received "1.5"$/],
    [{ ...torchrun, WORLD_SIZE: 'all' }, /^WORLD_SIZE: expected an integer from 1 to 65536, received "all"$/],
    [{ ...torchrun, WORLD_SIZE: '0' }, /^WORLD_SIZE: expected an integer from 1 to 65536, received "0"$/],
    [{ RANK: '3', WORLD_SIZE: '1' }, /^RANK: expected an integer from 0 to 0 \(WORLD_SIZE="1"\), received "3"$/],
    [{ ...torchrun, LOCAL_RANK: '4' }, /^LOCAL_RANK: expected .* 0 to 3 \(LOCAL_WORLD_SIZE="4"\), received "4"$/],
    [{ ...torchrun, LOCAL_WORLD_SIZE: '9' }, /^LOCAL_WORLD_SIZE: expected .* 1 to 8 \(WORLD_SIZE="8"\), received "9"$/],
    [without(torchrun, 'LOCAL_RANK'), /^LOCAL_RANK: expected .* besides RANK="5".*, received nothing/],
    [without(torchrun, 'LOCAL_WORLD_SIZE'), /^LOCAL_WORLD_SIZE: expected .* received nothing/],
    [{ ...torchrun, LOCAL_WORLD_SIZE: '8' }, /^LOCAL_RANK: expected 5 as RANK has it, since all 8 .*, received 1/],
    [without(torchrun, 'MASTER_ADDR'), /^MASTER_ADDR: expected the host of rank 0 besides RANK="5", WORLD_SIZE="8"/],
    [without(torchrun, 'MASTER_PORT'), /^MASTER_PORT: expected the port of rank 0 besides .*, received nothing; set/],
    [{ ...torchrun, MASTER_PORT: '65536' }, /^MASTER_PORT: expected an integer from 1 to 65535, received "65536"$/],
    [{ ...torchrun, MASTER_PORT: 'http' }, /^MASTER_PORT: expected .* received "http"$/],
    [without(openMpi, 'OMPI_COMM_WORLD_SIZE'), /^OMPI_COMM_WORLD_SIZE: .* received nothing; Open MPI's mpirun sets/],
    [without(openMpi, 'OMPI_COMM_WORLD_LOCAL_SIZE'), /^OMPI_COMM_WORLD_LOCAL_SIZE: expected .* received nothing/],
    [{ ...openMpi, OMPI_COMM_WORLD_RANK: '2' }, /^OMPI_COMM_WORLD_RANK: expected .* from 0 to 1 .* received "2"$/],
    [
      { ...openMpi, OMPI_COMM_WORLD_SIZE: '4' },
      /^MASTER_ADDR: expected the host of rank 0, as 2 of 4 ranks are on this host .* set MASTER_ADDR and MASTER_PORT/,
    ],
    [{ ...openMpi, MASTER_PORT: '0' }, /^MASTER_PORT: expected .* received "0"$/],
    [{ PMI_RANK: '1' }, /^PMI_SIZE: expected .* besides PMI_RANK="1", received nothing; an mpiexec of the MPICH/],
    [without(mpich, 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS'), /^MPI_LOCALNRANKS: expected .* received nothing/],
    [{ ...mpich, PMI_SIZE: '4' }, /^MASTER_ADDR: expected the host of rank 0, as 2 of 4 ranks .*MPI_LOCALNRANKS/],
    [{ PMIX_RANK: '1' }, /^PMIX_RANK: expected a launcher .* received PMIX_RANK="1" alone; set RANK/],
    [without(srun, 'SLURM_NTASKS', 'SLURM_STEP_NUM_TASKS'), /^SLURM_NTASKS: expected .* received nothing; srun sets/],
    [without(srun, 'SLURM_LOCALID'), /^SLURM_LOCALID: expected .* received nothing/],
    [without(srun, 'SLURM_STEP_TASKS_PER_NODE'), /^SLURM_STEP_TASKS_PER_NODE: expected .* received nothing/],
    [{ ...srun, SLURM_STEP_TASKS_PER_NODE: 'two' }, /^SLURM_STEP_TASKS_PER_NODE: expected tasks of .* received "two"$/],
    [{ ...srun, SLURM_NODEID: '2' }, /^SLURM_STEP_TASKS_PER_NODE: expected tasks .* node 2 .*, received "2\(x2\)"$/],
    [without(srun, 'SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST'), /^SLURM_STEP_NODELIST: expected the nodes .* nothing/],
  ])('%j', (environment, message) => {
    let thrown: unknown;
    try {
      detectRank(environment);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(BurgeonError);
    expect(thrown).toMatchObject({ code: 'ERR_BURGEON_CONFIG', message: expect.stringMatching(message) });
  });
});

test.each([
  ['node1', 'node1'],
  ['node1,node2', 'node1'],
  ['gpu[03-07,12],login1', 'gpu03'],
  ['gpu[9]', 'gpu9'],
  ['rack[1-2]node[01-16]', 'rack1node01'],
  ['n[1,5]-ib,m', 'n1-ib'],
])('the first host of %s is %s', (list, host) => expect(firstHost(list)).toBe(host));

describe('a forgotten launcher', () => {
  test.each<[string, Environment, RegExp]>([
    ['tasks', sbatch, /^this Slurm allocation has 4 tasks \(SLURM_NTASKS\), .*`srun burgeon train/],
    ['nodes', without(sbatch, 'SLURM_NTASKS'), /^this Slurm allocation has 3 nodes \(SLURM_JOB_NUM_NODES\), /],
    ['the shell of salloc', { ...srun, SLURM_STEP_ID: '4294967290' }, / has 4 tasks /],
    [
      'hosts of LSF',
      { LSB_JOBID: '7', LSB_MCPU_HOSTS: 'gpu1 4 gpu2 4' },
      /^this LSF job has 2 hosts \(LSB_MCPU_HOSTS\), .*MASTER_ADDR=gpu1 burgeon train/,
    ],
  ])('%s', (_, environment, text) => expect(forgottenLauncher(environment)).toMatch(text));

  test.each<[string, Environment]>([
    ['no Slurm', {}],
    ['one task', { ...sbatch, SLURM_NTASKS: '1', SLURM_JOB_NUM_NODES: '1' }],
    ['srun', srun],
    ['srun -n 1', { ...srun, SLURM_STEP_NUM_TASKS: '1' }],
    ['mpirun in a batch script', { ...sbatch, ...openMpi }],
    ['torchrun in a batch script', { ...sbatch, ...torchrun }],
    ['no number', { SLURM_JOB_ID: '1', SLURM_NTASKS: 'many' }],
    ['one host of LSF', { LSB_JOBID: '7', LSB_MCPU_HOSTS: 'gpu1 8' }],
    ['mpirun in a job of LSF', { LSB_JOBID: '7', LSB_MCPU_HOSTS: 'gpu1 4 gpu2 4', ...openMpi }],
    ['what LSF does not write', { LSB_JOBID: '7', LSB_MCPU_HOSTS: 'gpu1 4 gpu2' }],
    ['a list of PBS that is not there', { PBS_JOBID: '7.head', PBS_NODEFILE: '/nowhere/7' }],
  ])('not by %s', (_, environment) => expect(forgottenLauncher(environment)).toBeUndefined());

  test('hosts of PBS', () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'burgeon-pbs-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = path.join(directory, 'nodes');
    const environment = { PBS_JOBID: '7.head', PBS_NODEFILE: file };
    writeFileSync(file, 'gpu1\ngpu1\n');
    expect(forgottenLauncher(environment)).toBeUndefined();
    writeFileSync(file, 'gpu1\ngpu1\ngpu2\n');
    expect(forgottenLauncher(environment)).toMatch(/^this PBS job has 2 hosts \(PBS_NODEFILE\), .*MASTER_ADDR=gpu1 /);
  });
});
