// This package itself: where it lies and what its package.json says.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own directory: one up from here, in lib/ and in dist/ alike. */
export const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const manifest: { version: string; optionalDependencies?: Record<string, string> } = JSON.parse(
  readFileSync(path.join(packageRoot, 'package.json'), 'utf8'),
);

/** Version of this package. */
export const packageVersion: string = manifest.version;

/** Packages that are installed where they fit and can be had. */
export const optionalPackages: readonly string[] = Object.keys(manifest.optionalDependencies ?? {});
