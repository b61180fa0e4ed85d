// Where runs are: deep below, in sweeps, and the directory itself.

import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findRuns } from '../../../lib/report/dashboard/find-runs.ts';
import { temporaryDirectory } from '../../checkpoint/helpers.ts';

async function tree(...files: string[]): Promise<string> {
  const root = await temporaryDirectory();
  for (const file of files) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), '');
  }
  return root;
}

test('runs have metrics, or a lock', async () => {
  const root = await tree(
    ...[
      'b/metrics.jsonl',
      'a/metrics.jsonl',
      'begun/.burgeon.lock',
      'sweep/low/seed1/metrics.jsonl',
      'sweep/sweep.json',
    ],
    ...['notes.txt', 'empty/readme.md'],
  );
  expect(await findRuns(root)).toEqual(['a', 'b', 'begun', 'sweep/low/seed1']);
});

test('the directory itself may be one, with others below', async () => {
  expect(await findRuns(await tree('metrics.jsonl', 'tuned/metrics.jsonl'))).toEqual(['.', 'tuned']);
});

test('what is set aside, checkpoints and links are no places for runs', async () => {
  const root = await tree(
    ...['a/metrics.jsonl', 'a/.overwritten/metrics.jsonl', 'a/checkpoint-00000010/metrics.jsonl'],
    'node_modules/burgeon/metrics.jsonl',
  );
  await symlink(root, path.join(root, 'loop'), 'junction');
  expect(await findRuns(root)).toEqual(['a']);
});

test('nothing, and a directory that is not there', async () => {
  expect(await findRuns(await tree())).toEqual([]);
  await expect(findRuns(path.join(await tree(), 'none'))).rejects.toThrow('ENOENT');
});
