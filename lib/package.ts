// This package itself: where it lies and which version it is.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own directory: one up from here, in lib/ and in dist/ alike. */
export const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Version of this package. */
export const packageVersion: string = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;
