// Writes JSON Schema for configuration and sweep files into dist/, from the compiled schemas: editors with a YAML language server
// complete and check a file that names one (docs/configuration.md). Part of `npm run build:ts`.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = path.join(path.dirname(import.meta.dirname), 'dist');
const load = (/** @type {string} */ file) => import(pathToFileURL(path.join(dist, file)).href);
const { sweepFileSchema } = await load('sweep/sweep-json-schema.js');
const { trainFileSchema } = await load('train/train-json-schema.js');

for (const [name, title, schema] of [
  ['train-config', 'Training configuration of burgeon', trainFileSchema()],
  ['sweep', 'Sweep of burgeon', sweepFileSchema()],
]) {
  const text = JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', title, ...schema });
  writeFileSync(path.join(dist, `${name}.schema.json`), `${text}\n`);
}
