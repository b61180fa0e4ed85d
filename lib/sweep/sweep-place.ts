// Whether a sweep may put its runs into a directory.

import { readdir } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { directoryKind, foreignContent } from '../files/directory-kind.ts';
import { reportFileName } from '../report/write-report.ts';
import { sweepRecordName } from './sweep-record.ts';

/** In the sweep's output, while it runs. */
export const sweepLockName = '.burgeon-sweep.lock';

/**
 * A sweep may go where nothing is, or a sweep, or other directories: not among the files of a run, a data set or a project.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where there is something else.
 */
export async function requireSweepPlace(output: string): Promise<void> {
  // What else there may be shows when it is made.
  const entries = await readdir(output, { withFileTypes: true }).catch(() => []);
  const names = entries.map(({ name }) => name);
  if (directoryKind(names)?.what === 'a sweep') return;
  const directories = new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  const isOwn = (name: string) =>
    name === `${sweepRecordName}.new` ||
    name.startsWith(reportFileName) ||
    name.startsWith(sweepLockName) ||
    (directories.has(name) && !name.startsWith('.') && !/^checkpoint-/.test(name));
  const foreign = foreignContent(names, isOwn);
  if (foreign === undefined) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `output ${output}: expected a new directory or that of a sweep, found ${foreign}; choose another output`,
  );
}
