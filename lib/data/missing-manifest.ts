// What is said where a prepared data set was expected and none is: what stands there instead, and which one was probably meant.

import { dirname, join } from 'node:path';
import { meantHint } from '../config/meant-directories.ts';
import { isFile } from '../files/path-kinds.ts';

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
  const hint = await meantHint(directory, (path) => isFile(join(path, name)));
  const advice = hint || `; make a data set with ${makes(directory)}`;
  return `${join(directory, name)}: expected the manifest of a prepared data set, found none${advice}`;
}
