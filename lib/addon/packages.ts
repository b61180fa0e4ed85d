// The packages that the native parts come from, or are built from.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { packageRoot } from '../package.ts';

/** Whether this is a clone of the repository, which builds its own native parts. */
export const isClone = existsSync(path.join(packageRoot, 'binding.gyp'));

/** A file of another package, where this one finds it; undefined if that is not installed. */
export function fileOfPackage(name: string, file: string): string | undefined {
  try {
    const require = createRequire(path.join(packageRoot, 'package.json'));
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), file);
  } catch {
    return undefined;
  }
}

/**
 * The folder whose build/ has native parts of this machine: the clone, or a portable folder that was made of one; else
 * that of the package @burgeon/source; undefined where that is not installed.
 */
export function sourceRoot(): string | undefined {
  const isHere = isClone || existsSync(path.join(packageRoot, 'build'));
  return isHere ? packageRoot : fileOfPackage('@burgeon/source', 'source');
}
