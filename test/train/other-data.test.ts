// A run resumed with data that only look like its own, and with its own under another name.

import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { digestFile } from '../../lib/files/durable-file.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { type Settings, someText, tinyConfig, train, trainUntil } from './helpers.ts';

const text = someText(6000);

/** A data set of the text, in a directory of its own. */
async function prepared(content: string, shardTokens?: number): Promise<string> {
  const directory = await temporaryDirectory();
  const input = path.join(directory, 'text.txt');
  await writeFile(input, content);
  const output = path.join(directory, 'data');
  await prepare({ inputs: [input], output, tokenizer: 'chars', shardTokens });
  return output;
}

async function tokenFiles(tokens: readonly number[], files = 1): Promise<string> {
  const directory = await temporaryDirectory();
  const length = Math.ceil(tokens.length / files);
  for (let i = 0; i < files; i++) {
    await writeFile(path.join(directory, `${i}.bin`), Uint16Array.from(tokens.slice(i * length, (i + 1) * length)));
  }
  return path.join(directory, '*.bin');
}

async function stopped(settings: (output: string) => Settings): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'run');
  const config = { ...settings(output), output };
  await trainUntil(5, config);
  return config;
}

const model = { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16, vocabSize: 128 };
const other = (message: RegExp) => ({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

test.each<[string, (text: string) => string]>([
  ['reversed', (given) => [...given].reverse().join('')],
  ['with two lines changed places', (given) => given.split('\n').toSpliced(40, 2, 'b', 'a').join('\n').padEnd(6000)],
  [
    'with one character changed',
    (given) => `${given.slice(0, 3000)}${given[3000] === 'a' ? 'b' : 'a'}${given.slice(3001)}`,
  ],
])('prepared text of the same length, %s, is refused', async (_, change) => {
  const data = await prepared(text);
  const settings = await stopped((output) => tinyConfig(data, output));
  const changed = await prepared(change(text).slice(0, 6000));
  await expect(train({ ...settings, data: { directory: changed } }, { start: 'resume' })).rejects.toMatchObject(
    other(/other training data: they are as many tokens|data of another tokenizer or vocabulary/),
  );
});

test('token files of another tokenizer, or in another order, are refused; the same elsewhere are not', async () => {
  const tokens = [...text].map((character) => character.charCodeAt(0));
  const files = await tokenFiles(tokens, 2);
  const run = await stopped((output) => tinyConfig('', output, { model, data: { train: files } }));
  const resumeWith = (files: string) => ({ ...run, data: { train: files } });
  for (const found of [tokens.map((token) => token ^ 1), tokens.toReversed()]) {
    const config = resumeWith(await tokenFiles(found, 2));
    await expect(train(config, { start: 'resume' })).rejects.toMatchObject(other(/not the same ones/));
  }
  // One file instead of two is the same stream.
  expect((await train(resumeWith(await tokenFiles(tokens)), { start: 'resume' })).records).toHaveLength(10);
});

test('another path to the same data goes on with the same bits', async () => {
  const data = await prepared(text);
  const whole = await train(tinyConfig(data, path.join(await temporaryDirectory(), 'run')));
  const directory = await temporaryDirectory();
  await cp(data, path.join(directory, 'copy'), { recursive: true });
  await symlink(data, path.join(directory, 'link'));
  for (const place of [path.join(directory, 'copy'), path.join(directory, 'link'), await prepared(text)]) {
    const settings = await stopped((output) => tinyConfig(data, output));
    const notes: string[] = [];
    const resumed = await train(
      { ...settings, data: { directory: place } },
      { start: 'resume', onNote: (note) => notes.push(note) },
    );
    expect(resumed.fingerprint).toEqual(whole.fingerprint);
    expect(notes).toEqual([]);
  }
});

test('the same text in shards of another size is refused, as only hashes of shards tell all tokens', async () => {
  const data = await prepared(text);
  const run = await stopped((output) => tinyConfig(data, output));
  const config = { ...run, data: { directory: await prepared(text, 1000) } };
  await expect(train(config, { start: 'resume' })).rejects.toMatchObject(other(/or shards of another size/));
});

/** Makes the newest checkpoint one of an earlier version, which knew less of its data. */
async function forgetData(output: string): Promise<void> {
  const directory = path.join(output, 'checkpoint-00000005');
  const statePath = path.join(directory, 'burgeon_state.json');
  const { data, ...state } = JSON.parse(await readFile(statePath, 'utf8'));
  expect(data.windows).toBe('across');
  await writeFile(statePath, JSON.stringify(state));
  const manifestPath = path.join(directory, 'checkpoint.json');
  const manifest = JSON.parse(await readFile(manifestPath, 'utf8'));
  manifest.files['burgeon_state.json'] = await digestFile(statePath);
  await writeFile(manifestPath, JSON.stringify(manifest));
}

test('a run of an earlier version goes on with windows within shards, and says so', async () => {
  const data = await prepared(text, 700);
  const settings = await stopped((output) => tinyConfig(data, output));
  const twin = await stopped((output) => tinyConfig(data, output));
  await forgetData(settings.output);
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  await trainUntil(8, settings, { start: 'resume', onNote });
  expect(notes).toEqual([expect.stringMatching(/earlier version.*not checked; windows stay within each shard/)]);
  // From now on it is known.
  const { fingerprint } = await train(settings, { start: 'resume', onNote });
  expect(notes).toHaveLength(1);
  const starts = (await readMetrics(path.join(settings.output, 'metrics.jsonl'))).filter(
    ({ kind }) => kind === 'start',
  );
  expect(starts.map((line) => 'data' in line && line.data?.windows)).toEqual(['across', 'within', 'within']);
  expect(fingerprint).not.toEqual((await train(twin, { start: 'resume' })).fingerprint);
});

test('with a single shard windows are the same, and so are the bits', async () => {
  const data = await prepared(text);
  const settings = await stopped((output) => tinyConfig(data, output));
  await forgetData(settings.output);
  const { fingerprint } = await train(settings, { start: 'resume' });
  const whole = await train(tinyConfig(data, path.join(await temporaryDirectory(), 'run')));
  expect(fingerprint).toEqual(whole.fingerprint);
});

test('training and validation on one file is said when the run begins', async () => {
  const files = await tokenFiles([...text].map((character) => character.charCodeAt(0)));
  const output = path.join(await temporaryDirectory(), 'run');
  const notes: string[] = [];
  const settings = tinyConfig('', output, { model, data: { train: files, validation: files } });
  await train(settings, { onNote: (note) => notes.push(note) });
  expect(notes).toEqual([expect.stringMatching(/^data: validation reads .*0\.bin, which training reads too/)]);
  const lines = await readMetrics(path.join(output, 'metrics.jsonl'));
  expect(lines.filter(({ kind }) => kind === 'warning')).toEqual([
    expect.objectContaining({ text: expect.stringMatching(/held-out loss will say nothing/) }),
  ]);
});
