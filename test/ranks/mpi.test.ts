// Processes that a real mpirun starts, where there is one: each finds its rank, and they train to the bits of one, over MPI where
// burgeon's library for it is built and over TCP. What kinds there are goes by their names in Debian.

import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mpiLibraryPath } from '../../lib/ranks/mpi.ts';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { main } from '../helpers/cli.ts';

const isThere = (program: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};

// As root, and without ssh, which one host does not need.
const openMpi = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', OMPI_MCA_plm: 'isolated' };
const env = { ...process.env, ...openMpi, BURGEON_THREADS: '1' };

for (const [program, options, launcher] of [
  ['mpirun.openmpi', ['--oversubscribe'], "Open MPI's mpirun"],
  ['mpiexec.hydra', [], 'an mpiexec of the MPICH family'],
] as const) {
  test.skipIf(!isThere(program))(`${program} starts ranks that know each other`, () => {
    const text = execFileSync(program, [...options, '-n', '2', process.execPath, main, 'doctor'], {
      env,
      encoding: 'utf8',
    });
    const rows = [...text.matchAll(/^launcher +(.*)$/gm)].map(([, row]) => row!).sort();
    expect(rows).toHaveLength(2);
    for (const [rank, row] of rows.entries()) {
      expect(row).toContain(
        `rank ${rank} of 2, started by ${launcher}; ${rank} of 2 on this host; rank 0 at 127.0.0.1, `,
      );
    }
    expect(new Set(rows.map((row) => row.split('port ')[1])).size).toBe(1);
  });
}

describe.skipIf(!isThere('mpirun.openmpi'))('training started by mpirun', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await createWorkspace({ steps: 12, accumulationSteps: 12, checkpoint: { every: 6 } });
  });
  afterAll(() => workspace.remove());
  const weights = async (run: string) =>
    (await readFile(workspace.path(run, 'checkpoint-00000012', 'model.safetensors'))).toString('hex');

  test.each([
    ['TCP', 'off', 2],
    ['MPI', '', 2],
    ['MPI', '', 3],
    ['MPI', '', 4],
  ])('comes to the bits of one process over %s (BURGEON_MPI_LIBRARY=%s, %i ranks)', async (carrier, library, ranks) => {
    if (carrier === 'MPI' && mpiLibraryPath() === undefined) return; // not built here
    const alone = `alone-${carrier}-${ranks}`;
    const together = `together-${carrier}-${ranks}`;
    await workspace.succeed(['train', 'train.yaml', '--set', `output=${alone}`]);
    const command = [process.execPath, main, 'train', 'train.yaml', '--set', `output=${together}`];
    execFileSync('mpirun.openmpi', ['--oversubscribe', '-n', String(ranks), ...command], {
      cwd: workspace.path(),
      env: { ...env, BURGEON_MPI_LIBRARY: library },
    });
    expect(await weights(together)).toBe(await weights(alone));
  });
});
