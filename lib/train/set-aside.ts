// A run that another one is to replace. It is set aside, in a directory inside its own, until the new run has a checkpoint, and
// comes back if that never happens: whatever refuses or ends the new one before, nothing of the old one is lost. Names say what
// a kill may leave:
//   .overwritten   the whole old run; what lies beside it is of the new one, which counts once a checkpoint is there
//   .moving        part of the old run, on its way; the rest of it lies beside
//   .discarded     part of what is to be deleted

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory } from '../files/durable-file.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { exists } from '../files/path-kinds.ts';

const setAsideName = '.overwritten';
export const movingName = '.moving';
const discardedName = '.discarded';

/** What a run leaves in its directory: checkpoints, metrics, event files, reports. Anything else is somebody else's. */
const isOfRun = (name: string) =>
  name === 'report.html' ||
  /^(\.replaced-)?checkpoint-\d+$|^metrics(-\d+)?\.jsonl$|^events\.out\.tfevents\./.test(name);

/** It appears whole. */
const isCheckpoint = (name: string) => /^checkpoint-\d+$/.test(name);

/**
 * Where nothing is set aside already (bringRunBack).
 * @throws {BurgeonError} ERR_BURGEON_DATA where the file system refuses, as all functions here.
 */
export function setRunAside(directory: string): Promise<void> {
  const moving = path.join(directory, movingName);
  return explain(directory, async () => {
    await mkdir(moving);
    await moveRun(directory, moving);
    await rename(moving, path.join(directory, setAsideName));
    await syncDirectory(directory);
  });
}

/** Brings back what was set aside, in place of what has been begun since; the other way round where that has a checkpoint. */
export function bringRunBack(directory: string): Promise<void> {
  const [aside, moving] = [path.join(directory, setAsideName), path.join(directory, movingName)];
  return explain(directory, async () => {
    if (await exists(aside)) {
      const names = (await readdir(directory)).filter(isOfRun);
      if (names.some(isCheckpoint)) return discardSetAside(directory);
      for (const name of names) {
        await rm(path.join(directory, name), { recursive: true });
      }
      await syncDirectory(directory);
      await rename(aside, moving);
    }
    if (!(await exists(moving))) return;
    await moveRun(moving, directory);
    await rm(moving, { recursive: true });
  });
}

/** The new run has a checkpoint, or needs the room for one. */
export async function discardSetAside(directory: string): Promise<void> {
  const [aside, doomed] = [path.join(directory, setAsideName), path.join(directory, discardedName)];
  await explain(directory, async () => {
    if (!(await exists(aside))) return;
    await rm(doomed, { recursive: true, force: true });
    await rename(aside, doomed);
  });
  await clearDiscarded(directory);
}

/** What cannot be deleted now is tried again at the next opening. */
export async function clearDiscarded(directory: string): Promise<void> {
  await rm(path.join(directory, discardedName), { recursive: true, force: true }).catch(() => {});
}

function explain(directory: string, work: () => Promise<void>): Promise<void> {
  return explainWriting(`${directory} (a run that another one replaces)`, 'all of the old run is kept', work);
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
