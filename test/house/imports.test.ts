// Dependencies point one way: a folder of lib/ imports from those before it only, and no two files import each other. Read
// from the sources, types included.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';

/** From the bottom up; docs/architecture.md says what each is for. */
const rooms = [
  ...[
    '',
    'files',
    'config',
    'optim',
    'formats',
    'est',
    'addon',
    'ranks',
    'tokenizer',
    'data',
    'prepare',
    'checkpoint',
    'model',
  ],
  ...['eval', 'train', 'report', 'bench', 'selfcheck', 'sweep', 'cli'],
];

/** Of index.ts, errors.ts, package.ts and format.ts. index.ts names what is public of all rooms, and nothing imports it. */
const roomOf = (file: string) => file.split('/').slice(1, -1)[0] ?? '';

const files = (await readdir('lib', { recursive: true }))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => path.posix.join('lib', name.split(path.sep).join('/')));

const imports = new Map(
  await Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'utf8');
      const found = text.matchAll(/^(?:import|export)\b[^'";]*? from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gms);
      return [
        file,
        [...found].map(([, from, later]) => path.posix.join(path.posix.dirname(file), from ?? later!)),
      ] as const;
    }),
  ),
);

test('the imports of all files are found', () => {
  expect(imports.get('lib/cli/program.ts')).toContain('lib/package.ts');
  expect(imports.get('lib/cli/commands.ts')).toContain('lib/cli/train.ts');
  const known = new Set(files);
  expect([...imports.values()].flat().filter((file) => !known.has(file))).toEqual([]);
});

test('every folder has its place in the order', () => {
  expect([...new Set(files.map(roomOf))].sort()).toEqual([...rooms].sort());
});

test('a folder imports from those below it only', () => {
  const upward = [...imports].flatMap(([file, targets]) =>
    file === 'lib/index.ts'
      ? []
      : targets
          .filter((target) => rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(file)))
          .map((target) => `${file} -> ${target}`),
  );
  expect(upward).toEqual([]);
});

test('no file imports itself by way of others', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, above: string[]) => {
    if (above.includes(file)) circles.push([...above.slice(above.indexOf(file)), file].join(' -> '));
    if (above.includes(file) || done.has(file)) return;
    for (const target of imports.get(file)!) visit(target, [...above, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

/** The same of native/, by its folders; kernels: what ops are written with. ops/cuda_kernels.h lists what the ops launch. */
const floors = ['core', 'kernels', 'ops', 'backend', 'tokenizer', 'model', 'bench', 'addon', 'test'];

test('native code includes what lies below it only', async () => {
  const sources = (await readdir('native', { recursive: true }))
    .map((name) => name.split(path.sep).join('/'))
    .filter((name) => /\.(h|cc|cu|cuh)$/.test(name));
  const floorOf = (file: string) => floors.indexOf(file.split('/')[0]!);
  expect(sources.filter((file) => floorOf(file) < 0)).toEqual([]);
  const upward = await Promise.all(
    sources.map(async (file) => {
      const text = await readFile(path.join('native', file), 'utf8');
      const included = [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, name]) => name!);
      return included.filter((name) => floorOf(name) > floorOf(file)).map((name) => `${file} -> ${name}`);
    }),
  );
  expect(upward.flat()).toEqual([]);
});
