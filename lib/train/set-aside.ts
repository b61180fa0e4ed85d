// A run that another one is to replace. It is set aside, in a directory inside its own, until the new run has done a step, and
// comes back if that never happens: whatever refuses or ends the new one before, nothing of the old one is lost.

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory } from '../files/durable-file.ts';
import { isMissing } from '../files/is-missing.ts';

/** In the run directory. */
export const setAsideName = '.overwritten';
const discardedName = '.discarded';

/** What a run leaves in its directory: checkpoints, metrics, event files, reports. Anything else is somebody else's. */
const isOfRun = (name: string) =>
  name === 'report.html' ||
  /^(\.replaced-)?checkpoint-\d+$|^metrics(-\d+)?\.jsonl$|^events\.out\.tfevents\./.test(name);

export async function setRunAside(directory: string): Promise<void> {
  const aside = path.join(directory, setAsideName);
  await mkdir(aside);
  await moveRun(directory, aside);
}

/** Brings back what was set aside, in place of what has been begun since. @returns whether there was anything. */
export async function bringRunBack(directory: string): Promise<boolean> {
  const aside = path.join(directory, setAsideName);
  if ((await entriesOf(aside)) === undefined) return false;
  for (const name of (await entriesOf(directory))!.filter(isOfRun)) {
    await rm(path.join(directory, name), { recursive: true });
  }
  await moveRun(aside, directory);
  await rm(aside, { recursive: true });
  return true;
}

/** The new run has begun in earnest. A kill leaves all of it to come back, or something that the next call deletes. */
export async function discardSetAside(directory: string): Promise<void> {
  const [aside, doomed] = [setAsideName, discardedName].map((name) => path.join(directory, name));
  if ((await entriesOf(aside!)) !== undefined) await rename(aside!, doomed!);
  await rm(doomed!, { recursive: true, force: true });
}

async function moveRun(from: string, to: string): Promise<void> {
  for (const name of ((await entriesOf(from)) ?? []).filter(isOfRun)) {
    await rename(path.join(from, name), path.join(to, name));
  }
  await syncDirectory(to);
  await syncDirectory(from);
}

async function entriesOf(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
