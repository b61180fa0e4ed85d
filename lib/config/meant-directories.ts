// Which directory was probably meant where one has not what is looked for: those in it that have, such as runs/a for runs, or the
// one beside it that is named most like it.

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nearestName } from './nearest.ts';

/** Directories that are looked into. */
const mostLookedAt = 100;
const mostNamed = 3;

/**
 * "; did you mean runs/a or runs/b?", or nothing where none has it.
 * @param isMeant whether a directory has what is looked for.
 */
export async function meantHint(directory: string, isMeant: (path: string) => Promise<boolean>): Promise<string> {
  const meant = await meantDirectories(directory, isMeant);
  return meant.length === 0 ? '' : `; did you mean ${meant.join(' or ')}?`;
}

async function meantDirectories(directory: string, isMeant: (path: string) => Promise<boolean>): Promise<string[]> {
  const inside = await namesIn(directory, isMeant);
  if (inside !== undefined) return inside.slice(0, mostNamed).map((name) => join(directory, name));
  const parent = dirname(directory);
  const nearest = nearestName(basename(directory), (await namesIn(parent, isMeant)) ?? []);
  return nearest === undefined ? [] : [join(parent, nearest)];
}

/** Undefined where the directory cannot be read. */
async function namesIn(directory: string, isMeant: (path: string) => Promise<boolean>): Promise<string[] | undefined> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return undefined;
  const names = entries.filter((entry) => !entry.isFile()).map(({ name }) => name);
  const looked = names.sort().slice(0, mostLookedAt);
  const found = await Promise.all(looked.map((name) => isMeant(join(directory, name))));
  return looked.filter((_, i) => found[i]);
}
