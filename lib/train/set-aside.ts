// A run that another one is to replace. It is set aside, in a directory inside its own, until the new run has done a step, and
// comes back if that never happens: whatever refuses or ends the new one before, nothing of the old one is lost. Names say what
// a kill may leave:
//   .overwritten   the whole old run; what lies beside it is of the new one
//   .moving        part of the old run, on its way; the rest of it lies beside
//   .discarded     part of what is to be deleted

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory } from '../files/durable-file.ts';
import { exists } from '../files/path-kinds.ts';

const setAsideName = '.overwritten';
export const movingName = '.moving';
const discardedName = '.discarded';

/** What a run leaves in its directory: checkpoints, metrics, event files, reports. Anything else is somebody else's. */
const isOfRun = (name: string) =>
  name === 'report.html' ||
  /^(\.replaced-)?checkpoint-\d+$|^metrics(-\d+)?\.jsonl$|^events\.out\.tfevents\./.test(name);

/** Where nothing is set aside already (bringRunBack). */
export async function setRunAside(directory: string): Promise<void> {
  const moving = path.join(directory, movingName);
  await mkdir(moving);
  await moveRun(directory, moving);
  await rename(moving, path.join(directory, setAsideName));
  await syncDirectory(directory);
}

/** Brings back what was set aside, in place of what has been begun since; does nothing where nothing was. */
export async function bringRunBack(directory: string): Promise<void> {
  const [aside, moving] = [path.join(directory, setAsideName), path.join(directory, movingName)];
  if (await exists(aside)) {
    for (const name of (await readdir(directory)).filter(isOfRun)) {
      await rm(path.join(directory, name), { recursive: true });
    }
    await syncDirectory(directory);
    await rename(aside, moving);
  }
  if (!(await exists(moving))) return;
  await moveRun(moving, directory);
  await rm(moving, { recursive: true });
}

/** The new run has begun in earnest. */
export async function discardSetAside(directory: string): Promise<void> {
  const [aside, doomed] = [path.join(directory, setAsideName), path.join(directory, discardedName)];
  await rm(doomed, { recursive: true, force: true });
  if (!(await exists(aside))) return;
  await rename(aside, doomed);
  await rm(doomed, { recursive: true });
}

/** Whether a name may stand in the directory of a run because burgeon made it there: what the run leaves, and what it works with. */
export function isRunName(name: string): boolean {
  const isWork =
    [setAsideName, movingName, discardedName].includes(name) ||
    /^\.tmp-checkpoint-|^\.burgeon\.(lock|token)/.test(name);
  return isWork || isOfRun(name.replace(/\.new$/, '')) || /^profile(\.txt|-trace\.json)(\.new)?$/.test(name);
}

async function moveRun(from: string, to: string): Promise<void> {
  for (const name of (await readdir(from)).filter(isOfRun)) await rename(path.join(from, name), path.join(to, name));
  await syncDirectory(to);
  await syncDirectory(from);
}
