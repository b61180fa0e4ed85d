// Where this package and the sources of its native parts are.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own directory: two up from here, in lib/ and in dist/ alike. */
export const packageRoot = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

const manifest: { version: string; optionalDependencies?: Record<string, string> } = JSON.parse(
  readFileSync(path.join(packageRoot, 'package.json'), 'utf8'),
);

/** Version of this package. */
export const packageVersion: string = manifest.version;

/** Packages with a built addon that this package was published with; none in a clone. */
export const platformPackages: readonly string[] = Object.keys(manifest.optionalDependencies ?? {}).filter((name) =>
  name.startsWith('@burgeon/'),
);

/** Whether this is a clone of the repository, which builds its own addon. */
export const isClone = existsSync(path.join(packageRoot, 'binding.gyp'));

/** A file of another package, where this one finds it; undefined if it is not installed. */
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
