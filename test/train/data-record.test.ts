// Whether a run may go on with the data that it is given.

import { expect, test } from 'vitest';
import { continueData, type DataRecord, type FoundData } from '../../lib/train/data-record.ts';

const train = { tokens: 1000, sample: 'a', shards: 'h' };
const validation = { tokens: 100, sample: 'v', shards: 'w' };
const saved: DataRecord = { windows: 'across', train, validation };
const goOn = (found: Partial<FoundData>, record: DataRecord | null = saved) =>
  continueData(
    'run/checkpoint-00000007',
    { trainTokens: 1000, ...(record && { data: record }) },
    {
      ...{ train, validation, usedWithin: null },
      ...found,
    },
  );

test('the same data, whatever is not known of them', () => {
  expect(goOn({})).toEqual({ data: saved, notes: [] });
  const unknown = { ...train, shards: null };
  expect(goOn({ train: unknown }).data.train).toEqual(unknown);
  expect(goOn({}, { ...saved, train: unknown }).data.train).toEqual(train);
});

test.each([
  [{ tokens: 1001 }, /expected 1000 tokens, found 1001; use the data the run began with, under any path/],
  [{ sample: 'b' }, /as many tokens \(1000\), but not the same ones: another text, order or tokenizer; use/],
  [{ sample: 'b', shards: null }, /not the same ones/],
  [{ shards: 'i' }, /the hashes of the shards in their manifest differ: another text, or shards of another size/],
])('refuses training data that differ in %j', (difference, message) => {
  expect(() => goOn({ train: { ...train, ...difference } })).toThrow(
    expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) }),
  );
});

test('says that validation data differ', () => {
  const note = [expect.stringMatching(/validation data are not those of the run so far/)];
  expect(goOn({ validation: { ...validation, sample: 'x' } }).notes).toEqual(note);
  expect(goOn({ validation: { ...validation, shards: 'x' } }).notes).toEqual(note);
  expect(goOn({ validation: null }).notes).toEqual([]);
});

test('keeps windows as the run began with them', () => {
  expect(goOn({ usedWithin: 480 }).data.windows).toBe('across');
  expect(goOn({ usedWithin: 480 }, { ...saved, windows: 'within' }).data.windows).toBe('within');
  const earlier = goOn({ usedWithin: 480 }, null);
  expect(earlier.data).toEqual({ windows: 'within', train, validation });
  expect(earlier.notes).toEqual([
    expect.stringMatching(/is not checked; windows stay within each shard, .* use 480 of 1000 tokens$/),
  ]);
  const single = goOn({}, null);
  expect([single.data.windows, single.notes]).toEqual(['across', [expect.stringMatching(/is not checked$/)]]);
  expect(() => goOn({ train: { ...train, tokens: 999 } }, null)).toThrow(/expected 1000 tokens, found 999/);
});
