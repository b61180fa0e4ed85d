// Training and validation on the same tokens.

import { copyFile, link, symlink } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

async function findingsOf(train: string[], validation: string[]): Promise<readonly string[]> {
  const dataset = await loadDataset({ train, validation, vocabSize: 10_000 });
  await dataset.close();
  return dataset.findings;
}

it('is said, whatever the file is called', async () => {
  const file = await temp.writeTokens('a.bin', range(5000));
  await symlink(file, temp.path('symbolic.bin'));
  await link(file, temp.path('hard.bin'));
  await copyFile(file, temp.path('copy.bin'));
  const other = await temp.writeTokens('b.bin', range(5000, 1));
  for (const name of ['a.bin', 'symbolic.bin', 'hard.bin', 'copy.bin']) {
    expect(await findingsOf([file], [temp.path(name)]), name).toEqual([
      expect.stringMatching(/held-out loss will say/),
    ]);
  }
  expect(await findingsOf([file], [temp.path('copy.bin')])).toEqual([
    expect.stringMatching(/^validation reads .*copy\.bin, the same tokens as .*a\.bin, which training reads too/),
  ]);
  // One of several, by patterns that overlap.
  expect(await findingsOf([temp.path('?.bin')], [temp.path('{b,c}*.bin')])).toHaveLength(1);
  expect(await findingsOf([file], [other])).toEqual([]);
});

it('is not said of files that only begin alike', async () => {
  const tokens = range(9000);
  const one = await temp.writeTokens('a.bin', tokens);
  const two = await temp.writeTokens('b.bin', tokens.with(8999, 1));
  const three = await temp.writeTokens('c.bin', tokens.slice(0, 5000));
  expect(await findingsOf([one], [two, three])).toEqual([]);
});
