// The runs of a directory, however deep: directories with metrics, or with the lock of a process that has not written any yet.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isMissing } from '../../files/is-missing.ts';
import { metricsFileName } from '../../train/metrics.ts';
import { runLockName } from '../../train/run-directory.ts';

/** Sweeps of sweeps are no deeper. */
const mostDepth = 8;

/** What a run has in its directory, and what is no place for runs. */
const skipped = /^(?:\..*|checkpoint-.*|node_modules)$/;

/**
 * Links to directories are not followed; what cannot be read has no runs.
 * @returns paths relative to the directory, with /, in order; the directory itself is '.'.
 * @throws what the file system says of the directory itself.
 */
export async function findRuns(directory: string): Promise<string[]> {
  const runs: string[] = [];
  const look = async (inside: string, depth: number): Promise<void> => {
    const entries = await readdir(path.join(directory, inside), { withFileTypes: true }).catch((error) => {
      if (depth > 0 || !isMissing(error)) return [];
      throw error;
    });
    if (entries.some(({ name }) => name === metricsFileName || name === runLockName)) runs.push(inside);
    if (depth === mostDepth) return;
    for (const entry of entries) {
      if (entry.isDirectory() && !skipped.test(entry.name)) await look(path.posix.join(inside, entry.name), depth + 1);
    }
  };
  await look('.', 0);
  return runs.sort();
}
