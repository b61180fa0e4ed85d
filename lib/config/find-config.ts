// Finds the configuration that someone names: a file of their own first, else one that comes with the package.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { isFile } from '../files/path-kinds.ts';
import { packageRoot } from '../package.ts';
import { nearestHint } from './nearest.ts';

const ending = '.yaml';

/** Where the package keeps configurations, by what they are. */
const shelves = {
  training: { folder: path.join(packageRoot, 'configs'), what: 'a training configuration' },
  sweep: { folder: path.join(packageRoot, 'configs', 'sweeps'), what: 'a sweep' },
};

export type Shelf = keyof typeof shelves;

/** Those of `npm run demo`, for whose data the package is no use. */
const ofTheDemo = ['demo', 'demo-dense'];

/** Names of the packaged configurations, in order. */
export function packagedNames(shelf: Shelf): string[] {
  return readdirSync(shelves[shelf].folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => path.basename(name, ending))
    .filter((name) => !ofTheDemo.includes(name))
    .sort();
}

/** The file of a packaged configuration. */
export function packagedFile(name: string, shelf: Shelf): string {
  return path.join(shelves[shelf].folder, name + ending);
}

/**
 * The file that is meant: at this path, at this path with `.yaml`, or the packaged one of this name.
 * @param given a path or a name.
 * @param options.beside directory that the path is relative to; the current one unless given.
 * @returns the path as it was given where there is no such file, for whoever reads it to say so.
 */
export async function findConfig(
  given: string,
  { shelf = 'training', beside = '' }: { shelf?: Shelf; beside?: string } = {},
): Promise<string> {
  const at = path.isAbsolute(given) ? given : path.join(beside, given);
  const name = path.basename(given, ending);
  const isName = given === name || given === name + ending;
  const packaged = isName && packagedNames(shelf).includes(name) ? [packagedFile(name, shelf)] : [];
  for (const candidate of [at, at + ending, ...packaged]) if (await isFile(candidate)) return candidate;
  return at;
}

/** What there is beside files, for a message: "a training configuration of the package (a, b); did you mean a?" */
export function packagedHint(given: string, shelf: Shelf): string {
  const names = packagedNames(shelf);
  return `${shelves[shelf].what} of the package (${names.join(', ')})${nearestHint(path.basename(given, ending), names)}`;
}
