// Which file is meant by what someone types: a path first, then a name of the package.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfigFile } from '../../lib/config/config-file.ts';
import { findConfig, packagedFile, packagedNames } from '../../lib/config/find-config.ts';
import { readSweep } from '../../lib/sweep/sweep-file.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';

let directory: string;
const at = (name: string) => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'burgeon-find-'));
  await writeFile(at('mine.yaml'), 'steps: 1\n');
  await writeFile(at('debug.yaml'), 'steps: 2\n');
  await writeFile(at('exact'), 'steps: 3\n');
  await mkdir(at('own-text'));
  await writeFile(at('over.yaml'), 'extends: shakespeare-char.yaml\nsteps: 5\n');
  await writeFile(at('over-name.yaml'), 'extends: shakespeare-llama\nsteps: 6\n');
});
afterAll(() => rm(directory, { recursive: true }));

test.each([
  ['mine.yaml', 'mine.yaml'],
  ['mine', 'mine.yaml'],
  ['exact', 'exact'],
  ['debug', 'debug.yaml'],
  ['debug.yaml', 'debug.yaml'],
])('%s is the file %s', async (given, expected) => {
  expect(await findConfig(given, { beside: directory })).toBe(at(expected));
  expect(await findConfig(at(given))).toBe(at(expected));
});

test.each([
  ['shakespeare-char', 'shakespeare-char'],
  ['shakespeare-char.yaml', 'shakespeare-char'],
  ['own-text', 'own-text'], // a directory of that name is no file
])('%s is the packaged %s', async (given, name) => {
  expect(await findConfig(given, { beside: directory })).toBe(packagedFile(name, 'training'));
});

test.each(['none', 'configs/debug', './shakespeare-char', 'learning-rate', '../debug'])('%s is none', async (given) => {
  expect(await findConfig(given, { beside: at('own-text/deep') })).toBe(path.join(directory, 'own-text/deep', given));
});

test('the demo, whose data the package lacks, has no name', () => {
  expect(packagedNames('training')).toEqual(expect.arrayContaining(['debug', 'gpt2-124m', 'own-text']));
  expect([...packagedNames('training'), ...packagedNames('sweep')].filter((name) => name.startsWith('demo'))).toEqual(
    [],
  );
});

test('extends takes a name of the package too', async () => {
  expect(await readConfigFile(at('over.yaml'))).toMatchObject({ steps: 5, model: 'gpt2-nano' });
  expect(await readConfigFile(at('over-name'))).toMatchObject({ steps: 6, model: { architecture: 'llama' } });
});

test('so do training configurations and sweeps in a program', async () => {
  expect((await loadTrainConfig('gpt2-124m-est')).est.schedule).toBe('est-gpt2');
  expect([...(await readSweep('learning-rate')).variants.keys()]).toEqual(['dense', 'est']);
});

test.each([
  ['gpt2-124', 'training', 'did you mean gpt2-124m?'],
  ['configs/shakespeare-char.yml', 'training', 'did you mean shakespeare-char?'],
  ['leaning-rate', 'sweep', 'or a sweep of the package (learning-rate); did you mean learning-rate?'],
] as const)('%s of %s: the nearest', async (given, shelf, expected) => {
  await expect(readConfigFile(given, shelf)).rejects.toThrow(expected);
});
