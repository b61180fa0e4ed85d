// What a run says of its data: the same for the same tokens, other for others.

import { expect, test } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { describeData } from '../../lib/train/describe-data.ts';
import { prepareText, someText } from './helpers.ts';

async function describe(
  text: string,
  { T = 16, count = 4 as number | 'all', batchSize = 2, isKnown = true, hasWindows = true } = {},
) {
  const { data, remove } = await prepareText(text);
  const dataset = await loadDataset({ directory: data });
  try {
    const tokenizer = isKnown ? createTokenizer(dataset.tokenizer!) : undefined;
    const windows = hasWindows ? fixedWindows(dataset.validation!, T, count, batchSize) : undefined;
    return (await describeData(dataset, tokenizer, windows))!;
  } finally {
    await dataset.close();
    await remove();
  }
}

test('names tokenizer and text, and counts targets and their bytes', async () => {
  const text = `${someText(8000)}é`;
  const found = await describe(text);
  expect(found).toEqual({
    tokenizer: { name: 'chars', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    text: { documents: 1, bytes: 8002, nearDuplicates: 0, validationFraction: 0.1 },
    validation: { targets: 64, sha256: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: 64 },
  });
  // All windows end with the character of two bytes.
  const all = await describe(text, { count: 'all' });
  expect(all.validation!.bytes).toBe(all.validation!.targets + 1);
});

test('depends on which targets are evaluated, not on how they are batched', async () => {
  const text = someText(8000);
  const found = await describe(text);
  expect(await describe(text, { batchSize: 3 })).toEqual(found);
  const hashes = [
    found,
    await describe(text, { count: 3 }),
    await describe(text, { T: 8 }),
    await describe(someText(8000, 2)),
  ];
  expect(new Set(hashes.map(({ validation }) => validation!.sha256)).size).toBe(4);
});

test('leaves out what is not known', async () => {
  const { tokenizer, validation } = await describe(someText(8000), { isKnown: false });
  expect([tokenizer, validation!.bytes, validation!.targets]).toEqual([null, null, 64]);
  expect((await describe(someText(8000), { hasWindows: false })).validation).toBeNull();
});
