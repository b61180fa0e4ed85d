// What Slurm says of the tasks of a job step and of the nodes of an allocation. Variables: man srun, "OUTPUT ENVIRONMENT VARIABLES".
// A batch script has SLURM_PROCID=0 and SLURM_NTASKS too, and is one process: only a step, which srun starts, has a SLURM_STEP_ID.

import { BurgeonError } from '../errors.ts';
import { quote } from '../quote.ts';
import { type Environment, integerOf, isSet, mostRanks, textOf } from './variables.ts';

/** The shell that salloc opens on a node is a step as well (slurm.h: SLURM_INTERACTIVE_STEP). */
const interactiveStep = '4294967290';

/** Whether srun started this process, or one above it. */
export function isSlurmStep(environment: Environment): boolean {
  const step = textOf(environment, 'SLURM_STEP_ID') ?? textOf(environment, 'SLURM_STEPID');
  return step !== undefined && step !== interactiveStep && isSet(environment, 'SLURM_PROCID');
}

/** Tasks of this step that are on this node. @throws {BurgeonError} ERR_BURGEON_CONFIG. */
export function slurmLocalSize(environment: Environment): number | undefined {
  const name = ['SLURM_STEP_TASKS_PER_NODE', 'SLURM_TASKS_PER_NODE'].find((each) => isSet(environment, each));
  const node = integerOf(environment, 'SLURM_NODEID', 0, mostRanks);
  if (name === undefined || node === undefined) return undefined;
  const text = textOf(environment, name)!;
  const tasks = tasksOfNode(text, node);
  if (tasks !== undefined) return tasks;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `${name}: expected tasks of every node such as 4(x2),1, of node ${node} (SLURM_NODEID) too, received ${quote(text)}`,
  );
}

/** "4(x2),1" is 4 tasks on node 0, 4 on node 1, 1 on node 2. */
function tasksOfNode(text: string, node: number): number | undefined {
  let first = 0;
  for (const part of text.split(',')) {
    const match = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part.trim());
    if (match === null) return undefined;
    first += Number(match[2] ?? 1);
    if (node < first) return Number(match[1]);
  }
  return undefined;
}

/** The first host of a list such as "gpu[03-07,12],login1" or "rack[1-2]node[01-16]": gpu03, rack1node01. */
export function firstHost(list: string): string | undefined {
  const first = /^(?:[^,[\]]|\[[^\]]*\])+/.exec(list.trim())?.[0];
  return first?.replaceAll(/\[([^\],-]+)[^\]]*\]/g, '$1');
}

/** Host of rank 0 of a step: the first of its nodes. */
export function slurmStepHead(environment: Environment): string | undefined {
  const list = textOf(environment, 'SLURM_STEP_NODELIST') ?? allocation(environment);
  return list && firstHost(list);
}

/** First host of the allocation, where an mpirun in its batch script puts rank 0. */
export function slurmJobHead(environment: Environment): string | undefined {
  const list = allocation(environment);
  return list && firstHost(list);
}

const allocation = (environment: Environment) =>
  textOf(environment, 'SLURM_JOB_NODELIST') ?? textOf(environment, 'SLURM_NODELIST');

/** Why this one process is fewer than the allocation was made for; undefined where it is not. */
export function forgottenSrun(environment: Environment): string | undefined {
  if (!isSet(environment, 'SLURM_JOB_ID', 'SLURM_JOBID') || isSlurmStep(environment)) return undefined;
  const several = [
    ['SLURM_NTASKS', 'tasks'],
    ['SLURM_JOB_NUM_NODES', 'nodes'],
    ['SLURM_NNODES', 'nodes'],
  ] as const;
  for (const [name, unit] of several) {
    const value = Number(textOf(environment, name));
    if (value > 1) {
      return `this Slurm allocation has ${value} ${unit} (${name}), and this is one process of its own: \`srun burgeon train ...\` starts one per task that train together`;
    }
  }
  return undefined;
}
