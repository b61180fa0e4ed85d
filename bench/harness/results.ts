// Results go to bench/results/<name>.json with machine, command and date, for docs/benchmarks.md to cite.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const directory = path.join(import.meta.dirname, '..', 'results');

const fileOf = (name: string) => path.join(directory, `${name}.json`);

/** What was saved before; undefined where nothing was. */
export async function readResults(name: string): Promise<unknown> {
  const file = fileOf(name);
  return existsSync(file) ? JSON.parse(await readFile(file, 'utf8')).results : undefined;
}

export async function saveResults(name: string, machine: object, results: unknown): Promise<void> {
  await mkdir(directory, { recursive: true });
  const file = fileOf(name);
  const command = ['npm run bench --', ...process.argv.slice(2).map((arg) => path.basename(arg))].join(' ');
  const content = { date: new Date().toISOString().slice(0, 10), command, machine, results };
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`\nwrote ${path.relative(process.cwd(), file)}`);
}
