// Processes that a real mpirun starts, where there is one: each finds its rank. What kinds there are goes by their names in Debian.

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { main } from '../helpers/cli.ts';

const isThere = (program: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};

for (const [program, options, launcher] of [
  ['mpirun.openmpi', ['--oversubscribe'], "Open MPI's mpirun"],
  ['mpiexec.hydra', [], 'an mpiexec of the MPICH family'],
] as const) {
  test.skipIf(!isThere(program))(`${program} starts ranks that know each other`, () => {
    // As root, and without ssh, which one host does not need.
    const openMpi = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', OMPI_MCA_plm: 'isolated' };
    const text = execFileSync(program, [...options, '-n', '2', process.execPath, main, 'doctor'], {
      env: { ...process.env, ...openMpi, BURGEON_THREADS: '1' },
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
