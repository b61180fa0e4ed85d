// What is said where a prepared data set was expected and none is: what stands there instead, and which one was probably meant.

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nearestName } from '../config/nearest.ts';
import { isFile } from '../files/path-kinds.ts';

/** Directories that are looked into for a data set. */
const mostLookedAt = 100;
const mostNamed = 3;

/** @param name of the manifest in its directory. */
export async function explainMissingManifest(directory: string, name: string): Promise<string> {
  const makes = (output: string) => `\`burgeon prepare FILE... -o ${output}\``;
  if (await isFile(directory)) {
    const parent = dirname(directory);
    const wanted = 'expected the directory of a prepared data set';
    if (await isFile(join(parent, name))) return `${directory}: ${wanted}, found a file in one; give ${parent}`;
    return (
      `${directory}: ${wanted}, found a file; tokens alone do not say what they stand for, make a data set from the text with ` +
      makes('DIR')
    );
  }
  const meant = await meantDataSets(directory, name);
  const advice = meant.length > 0 ? `did you mean ${meant.join(' or ')}?` : `make a data set with ${makes(directory)}`;
  return `${join(directory, name)}: expected the manifest of a prepared data set, found none; ${advice}`;
}

/** Data sets in the directory; where there is no such directory, the one beside it that is named most like it. */
async function meantDataSets(directory: string, manifest: string): Promise<string[]> {
  const inside = await dataSetsIn(directory, manifest);
  if (inside !== undefined) return inside.slice(0, mostNamed).map((name) => join(directory, name));
  const parent = dirname(directory);
  const nearest = nearestName(basename(directory), (await dataSetsIn(parent, manifest)) ?? []);
  return nearest === undefined ? [] : [join(parent, nearest)];
}

/** Names of data sets; undefined where the directory cannot be read. */
async function dataSetsIn(directory: string, manifest: string): Promise<string[] | undefined> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return undefined;
  const names = entries.filter((entry) => !entry.isFile()).map(({ name }) => name);
  const looked = names.sort().slice(0, mostLookedAt);
  const found = await Promise.all(looked.map((name) => isFile(join(directory, name, manifest))));
  return looked.filter((_, i) => found[i]);
}
