// Shards that are not what was written: small data are refused before anything else, large ones end a run that has begun.

import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ShardCheck } from '../../lib/data/shard-check.ts';
import { BurgeonError } from '../../lib/errors.ts';
import { digestFile } from '../../lib/files/durable-file.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { someText, tinyConfig, train, trainUntil } from './helpers.ts';

const shard = 'data_train_000000.bin';

async function prepared(): Promise<{ data: string; output: string }> {
  const directory = await temporaryDirectory();
  const input = path.join(directory, 'text.txt');
  await writeFile(input, someText(6000));
  const data = path.join(directory, 'data');
  await prepare({ inputs: [input], output: data, tokenizer: 'chars' });
  return { data, output: path.join(directory, 'run') };
}

async function editManifest(data: string, change: (train: { tokens: number; sha256?: string[] }) => void) {
  const file = path.join(data, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  change(manifest.splits.train);
  if (manifest.splits.train.sha256 === undefined) {
    delete manifest.splits.validation.sha256;
    manifest.version = 1;
  }
  await writeFile(file, JSON.stringify(manifest));
}

async function flipBit(data: string): Promise<void> {
  const bytes = await readFile(path.join(data, shard));
  bytes[3000]! ^= 1;
  await writeFile(path.join(data, shard), bytes);
}

test('a damaged shard of small data is refused before the run directory is touched', async () => {
  const { data, output } = await prepared();
  await flipBit(data);
  await expect(train(tinyConfig(data, output))).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
    message: expect.stringMatching(
      /data_train_000000\.bin: expected tokens with the SHA-256 .* restore it from a copy/,
    ),
  });
  await expect(readdir(output)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('one damaged between two processes is refused at resume, and the run goes on once it is restored', async () => {
  const { data, output } = await prepared();
  const whole = await train(tinyConfig(data, `${output}-whole`));
  await trainUntil(5, tinyConfig(data, output));
  await flipBit(data);
  await expect(train(tinyConfig(data, output), { start: 'resume' })).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
  });
  await flipBit(data);
  expect((await train(tinyConfig(data, output), { start: 'resume' })).fingerprint).toEqual(whole.fingerprint);
});

test('data without hashes are trained on, and this is said', async () => {
  const { data, output } = await prepared();
  await editManifest(data, (split) => {
    delete split.sha256;
  });
  const notes: string[] = [];
  const { records } = await train(tinyConfig(data, output), { onNote: (note) => notes.push(note) });
  expect(records).toHaveLength(15);
  expect(notes).toEqual([expect.stringMatching(/^data: .*manifest\.json has no hashes .* prepare the data again/)]);
});

/** 80 MB: more than is checked in advance. All but the first tokens are 0, and take no room on disk. */
async function large(): Promise<{ data: string; output: string; sha256: string }> {
  const made = await prepared();
  const tokens = 40_000_000;
  const file = path.join(made.data, shard);
  const bytes = await readFile(file);
  bytes.writeInt32LE(tokens, 8);
  await writeFile(file, bytes);
  await truncate(file, 1024 + 2 * tokens);
  const payload = path.join(made.data, '..', 'payload');
  await writeFile(payload, bytes.subarray(1024));
  await truncate(payload, 2 * tokens);
  const { sha256 } = await digestFile(payload);
  await editManifest(made.data, (split) => Object.assign(split, { tokens, sha256: [sha256] }));
  return { ...made, sha256 };
}

test('large data are checked while training goes on', async () => {
  const { data, output } = await large();
  const { records } = await train(tinyConfig(data, output));
  expect(records).toHaveLength(15);
});

test.each([100_000, 1])('large data that are damaged end a run of %d steps', async (steps) => {
  const { data, output, sha256 } = await large();
  await editManifest(data, (split) => {
    split.sha256 = [`${sha256.startsWith('0') ? '1' : '0'}${sha256.slice(1)}`];
  });
  // After how many steps depends on the machine.
  await expect(train(tinyConfig(data, output, { steps, est: { schedule: 'dense' } }))).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
    message: expect.stringMatching(/data_train_000000\.bin: .*\n(no step was done|training stopped after step \d+)/),
  });
  expect(await readdir(output)).not.toContain('.burgeon.lock');
});

test.each([7, 15])('a shard found damaged after step %i of 15: a checkpoint, and the error', async (last) => {
  const { data, output } = await prepared();
  let verdict: BurgeonError | undefined;
  const spy = vi.spyOn(ShardCheck.prototype, 'failure', 'get').mockImplementation(() => verdict);
  onTestFinished(() => spy.mockRestore());
  const steps: number[] = [];
  const running = train(tinyConfig(data, output), {}, ({ step }) => {
    steps.push(step);
    if (step === last) verdict = new BurgeonError('ERR_BURGEON_DATA', 'a.bin: damaged');
  });
  await expect(running).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
    message: expect.stringMatching(
      new RegExp(
        `^a\\.bin: damaged\ntraining stopped after step ${last}, whose checkpoint is in ${output}; steps of this`,
      ),
    ),
  });
  expect(steps.at(-1)).toBe(last);
  expect((await readdir(output)).sort()).toEqual([`checkpoint-${String(last).padStart(8, '0')}`, 'metrics.jsonl']);
  const lines = await readMetrics(path.join(output, 'metrics.jsonl'));
  expect(lines.at(-1)).toMatchObject({ kind: 'end', state: 'failed', step: last });
  // What was computed is there, once the data are again.
  verdict = undefined;
  const whole = await train(tinyConfig(data, `${output}-whole`));
  expect((await train(tinyConfig(data, output), { start: 'resume' })).fingerprint).toEqual(whole.fingerprint);
});
