// Writes what says how a configuration looks, from its schema (lib/train/train-config.ts), so that its words stand once: the types
// that programs are checked by, and docs/configuration.md. JSON Schema for YAML files is build-schemas.mjs.
//
//     npm run docs:configuration

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { configurationPage } from './configuration/page.ts';
import { modelTypes, trainTypes } from './configuration/types.ts';

const root = path.dirname(import.meta.dirname);

/** Every file that is written, with its content. */
export function generated(): Record<string, string> {
  return {
    'lib/config/model-config-input.ts': modelTypes(),
    'lib/train/train-config-input.ts': trainTypes(),
    'docs/configuration.md': configurationPage(),
  };
}

if (import.meta.filename === process.argv[1]) {
  for (const [file, content] of Object.entries(generated())) await writeFile(path.join(root, file), content);
}
