// What PBS and LSF say of the hosts of a job. Neither starts tasks: a job is one process on its first host until mpirun or pbsdsh is
// called. Only hosts count here, as slots of one host are its cores, which one process uses. Variables: qsub(1B) of OpenPBS, and
// "LSF environment variables".

import { readFileSync } from 'node:fs';
import { type Environment, isSet, textOf } from './variables.ts';

/** Why this one process is fewer than its job of PBS or LSF has hosts; undefined where it is not. */
export function forgottenMpirun(environment: Environment): string | undefined {
  const job = [
    { system: 'PBS', variable: 'PBS_NODEFILE', hosts: hostsOfPbs(environment) },
    { system: 'LSF', variable: 'LSB_MCPU_HOSTS', hosts: hostsOfLsf(environment) },
  ].find(({ hosts }) => hosts.size > 1);
  if (job === undefined) return undefined;
  const [first] = job.hosts;
  return `this ${job.system} job has ${job.hosts.size} hosts (${job.variable}), and this is one process of its own: \`mpirun -x MASTER_ADDR=${first} burgeon train ...\` starts ranks that train together`;
}

/** PBS lists them in a file, a line for each process that MPI would start. */
function hostsOfPbs(environment: Environment): Set<string> {
  const file = textOf(environment, 'PBS_NODEFILE');
  if (file === undefined || !isSet(environment, 'PBS_JOBID')) return new Set();
  try {
    return new Set(readFileSync(file, 'utf8').split(/\s+/).filter(Boolean));
  } catch {
    return new Set(); // of another host, or gone: no reason to stop what does not need it
  }
}

/** "hostA 4 hostB 4" */
function hostsOfLsf(environment: Environment): Set<string> {
  if (!isSet(environment, 'LSB_JOBID')) return new Set();
  const words = (textOf(environment, 'LSB_MCPU_HOSTS') ?? '').split(/\s+/);
  return new Set(words.filter((_, index) => index % 2 === 0 && words[index + 1] !== undefined));
}
