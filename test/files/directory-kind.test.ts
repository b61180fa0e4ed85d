// What directories are taken for: those that burgeon itself makes, by whatever names it gives today.

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { directoryKind, foreignContent } from '../../lib/files/directory-kind.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { trainTokenizer } from '../../lib/prepare/train-tokenizer.ts';
import { requireSweepPlace } from '../../lib/sweep/sweep-place.ts';
import { sweepRecord, writeSweepRecord } from '../../lib/sweep/sweep-record.ts';
import { temporaryDirectory, tinyContents } from '../checkpoint/helpers.ts';
import { someText } from '../train/helpers.ts';

test('what burgeon makes is known', async () => {
  const root = await temporaryDirectory();
  const at = (name: string) => path.join(root, name);
  await writeFile(at('text.txt'), someText());
  await prepare({ inputs: [at('text.txt')], output: at('data'), tokenizer: 'chars' });
  await trainTokenizer({ inputs: [at('text.txt')], output: at('tokenizer'), vocabSize: 260 });
  await writeModelDirectory(at('model'), tinyContents(1));
  await writeCheckpoint(at('run'), 5, tinyContents(1));
  await mkdir(at('sweep'));
  await writeSweepRecord(sweepRecord({ file: 's.yaml', output: at('sweep') }, []));
  const kinds: Record<string, string | undefined> = {};
  for (const name of ['data', 'tokenizer', 'model', 'run', 'run/checkpoint-00000005', 'sweep', '.']) {
    kinds[name] = directoryKind(await readdir(at(name)))?.what;
  }
  expect(kinds).toEqual({
    data: 'a data set',
    tokenizer: 'a tokenizer',
    model: 'a model',
    run: 'a run',
    'run/checkpoint-00000005': 'a checkpoint',
    sweep: 'a sweep',
    '.': undefined,
  });
});

test('other files are named, the first of them', () => {
  const isOwn = (name: string) => name === 'mine';
  expect(foreignContent(['mine', 'log.txt', 'config.yaml'], isOwn)).toBeUndefined();
  expect(foreignContent(['e', 'd', 'c', 'b', 'mine'], isOwn)).toBe('other files (b, c, d, ...)');
  expect(foreignContent(['manifest.json'], isOwn)).toBe('other files (manifest.json)');
});

test('a sweep goes beside other directories, and where one was', async () => {
  const root = await temporaryDirectory();
  await expect(requireSweepPlace(path.join(root, 'new'))).resolves.toBeUndefined();
  await mkdir(path.join(root, 'some-run'));
  await writeFile(path.join(root, 'report.html'), '');
  await expect(requireSweepPlace(root)).resolves.toBeUndefined();
  await writeFile(path.join(root, 'paper.tex'), '');
  await expect(requireSweepPlace(root)).rejects.toThrow('found other files (paper.tex)');
  await writeFile(path.join(root, 'sweep.json'), '{}');
  await expect(requireSweepPlace(root)).resolves.toBeUndefined();
});

test.each([
  [['metrics.jsonl'], 'a run (metrics.jsonl)'],
  [['manifest.json', 'a.bin'], 'a data set (manifest.json)'],
  [['.git'], 'a git repository (.git)'],
])('no sweep goes into %s', async (names, found) => {
  const root = await temporaryDirectory();
  for (const name of names) {
    await (name === '.git' ? mkdir(path.join(root, name)) : writeFile(path.join(root, name), ''));
  }
  await expect(requireSweepPlace(root)).rejects.toMatchObject({
    code: 'ERR_BURGEON_CONFIG',
    message: `output ${root}: expected a new directory or that of a sweep, found ${found}; choose another output`,
  });
});
