// Which directory was probably meant: those inside that have what is looked for, or the neighbour of nearly that name.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findModel } from '../../lib/checkpoint/find-model.ts';
import { meantHint } from '../../lib/config/meant-directories.ts';
import { readManifest } from '../../lib/data/manifest.ts';
import { isFile } from '../../lib/files/path-kinds.ts';
import { readRun } from '../../lib/report/read-run.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'burgeon-meant-'));
  for (const name of ['data/books', 'data/plays', 'data/empty', 'runs/first']) {
    await mkdir(path.join(root, name), { recursive: true });
  }
  for (const name of ['books', 'plays']) await writeFile(path.join(root, 'data', name, 'manifest.json'), '');
  await mkdir(path.join(root, 'runs/first/checkpoint-00000010'));
  await writeFile(path.join(root, 'runs/first/metrics.jsonl'), '');
  await writeFile(path.join(root, 'notes.txt'), '');
});

afterAll(() => rm(root, { recursive: true }));

const hasManifest = (directory: string) => isFile(path.join(directory, 'manifest.json'));

test.each([
  ['data', '; did you mean ROOT/data/books or ROOT/data/plays?'],
  ['data/book', '; did you mean ROOT/data/books?'],
  ['data/palys', '; did you mean ROOT/data/plays?'],
  ['data/empty', ''],
  ['data/films', ''],
  ['runs', ''],
  ['nowhere/at/all', ''],
  ['notes.txt', ''],
])('%s', async (given, expected) => {
  const hint = await meantHint(path.join(root, given), hasManifest);
  expect(hint.replaceAll(root, 'ROOT')).toBe(expected);
});

describe('is said where there is none', () => {
  const message = (promise: Promise<unknown>) => promise.then(String, (error: Error) => error.message);

  test.each([
    ['a data set', () => readManifest(path.join(root, 'data/boks')), 'data/books?'],
    ['a model', () => findModel(path.join(root, 'runs')), 'runs/first?'],
    ['a run', () => readRun(path.join(root, 'runs/frist')), 'runs/first?'],
  ])('%s', async (_, read, expected) => {
    expect(await message(read())).toMatch(/found (?:none|neither|nothing)|it has none/);
    expect((await message(read())).endsWith(`; did you mean ${path.join(root, expected)}`)).toBe(true);
  });
});
