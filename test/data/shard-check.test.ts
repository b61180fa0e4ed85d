// Shards that are damaged but hold valid tokens.

import { copyFile, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Dataset, loadDataset } from '../../lib/data/dataset.ts';
import { ShardCheck } from '../../lib/data/shard-check.ts';
import { CounterRng } from '../../lib/est/rng.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();
const shard = (i: number) => temp.path(`data/data_train_00000${i}.bin`);

beforeEach(async () => {
  const rng = new CounterRng(1);
  const text = Array.from({ length: 9000 }, () => String.fromCharCode(97 + rng.nextBelow(26))).join('');
  const inputs = [await temp.write('in.txt', text)];
  await prepare({ inputs, output: temp.path('data'), tokenizer: 'bytes', shardTokens: 2000 });
});

/** Opens the data and checks it; the message of what is refused, or undefined. */
async function problem(): Promise<string | undefined> {
  let dataset: Dataset | undefined;
  try {
    dataset = await loadDataset({ directory: temp.path('data') });
    const { train, validation } = dataset.hashed!;
    const check = new ShardCheck([...validation, ...train]);
    expect(check.isSmall).toBe(true);
    await check.finish();
    expect([check.isDone, check.failure]).toEqual([true, undefined]);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_BURGEON_DATA' });
    return (error as Error).message;
  } finally {
    await dataset?.close();
  }
}

async function edit(path: string, position: number, change: (bytes: Buffer) => void, length = 1): Promise<void> {
  const handle = await open(path, 'r+');
  const bytes = Buffer.alloc(length);
  await handle.read(bytes, 0, length, position);
  change(bytes);
  await handle.write(bytes, 0, length, position);
  await handle.close();
}

describe('ShardCheck', () => {
  it('accepts what was written', async () => {
    expect(await problem()).toBeUndefined();
  });

  const damages: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a zeroed range',
      () => edit(shard(1), 2000, (bytes) => bytes.fill(0), 512),
      /data_train_000001\.bin: expected tokens/,
    ],
    ['a flipped bit', () => edit(shard(2), 3333, (bytes) => bytes.writeUInt8(bytes[0]! ^ 1)), /data_train_000002\.bin/],
    ['the content of another shard', () => copyFile(shard(0), shard(3)), /data_train_000003\.bin/],
    ['two tokens in another order', () => edit(shard(0), 1500, (bytes) => bytes.swap32(), 8), /data_train_000000\.bin/],
    [
      'a damaged validation shard',
      () => edit(temp.path('data/data_val_000000.bin'), 1024, (bytes) => bytes.writeUInt8(bytes[0]! ^ 3)),
      /data_val_000000\.bin.*restore it from a copy or prepare the data again/,
    ],
    ['a shortened file', () => truncate(shard(1), 3000), /data_train_000001\.bin: expected \d+ bytes.*found 3000/],
    [
      'a shortened file with a header to match',
      async () => {
        await truncate(shard(1), 1024 + 2 * 1500);
        await edit(shard(1), 8, (bytes) => bytes.writeInt32LE(1500), 4);
      },
      /expected 8100 tokens.*found 7600/,
    ],
    [
      'a header of nothing',
      () => edit(shard(1), 0, (bytes) => bytes.fill(0), 4),
      /data_train_000001|expected 8100 tokens/,
    ],
  ];
  it.each(damages)('finds %s', async (_, damage, message) => {
    await damage();
    expect(await problem()).toMatch(message);
  });

  it('finds every flipped bit, wherever it is', async () => {
    const rng = new CounterRng(5);
    const whole = await readFile(shard(2));
    for (let trial = 0; trial < 40; trial++) {
      const bytes = Buffer.from(whole);
      const at = 1024 + rng.nextBelow(bytes.length - 1024);
      bytes[at]! ^= 1 << rng.nextBelow(8);
      await writeFile(shard(2), bytes);
      expect(await problem(), `byte ${at}`).toMatch(/data_train_000002\.bin/);
    }
  });

  it('can be stopped, and then says nothing', async () => {
    await edit(shard(1), 2000, (bytes) => bytes.fill(1), 512);
    const dataset = await loadDataset({ directory: temp.path('data') });
    const check = new ShardCheck(dataset.hashed!.train);
    await check.stop();
    await dataset.close();
    expect([check.isDone, check.failure]).toEqual([true, undefined]);
  });

  it('reports a shard that cannot be read any more', async () => {
    const dataset = await loadDataset({ directory: temp.path('data') });
    await truncate(shard(1), 3000);
    await expect(new ShardCheck(dataset.hashed!.train).finish()).rejects.toThrow(/data_train_000001\.bin: .*shorter/);
    await dataset.close();
  });
});

describe('the hashes of a manifest', () => {
  async function editSplits(
    change: (splits: Record<string, { sha256?: unknown }>) => void,
    version = 2,
  ): Promise<void> {
    const path = temp.path('data/manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    change(manifest.splits);
    manifest.version = version;
    await writeFile(path, JSON.stringify(manifest));
  }

  it('are not there in data sets of earlier versions', async () => {
    await editSplits((splits) => {
      for (const split of Object.values(splits)) delete split.sha256;
    }, 1);
    const dataset = await loadDataset({ directory: temp.path('data') });
    expect(dataset).not.toHaveProperty('hashed');
    await dataset.close();
  });

  it.each([
    ['too few', ['0'.repeat(64)], /expected a hash per file/],
    ['no hashes', Array(5).fill('abc'), /expected 64 hexadecimal digits/],
  ])('are refused when they are %s', async (_, sha256, message) => {
    await editSplits((splits) => {
      splits.train!.sha256 = sha256;
    });
    await expect(loadDataset({ directory: temp.path('data') })).rejects.toThrow(message);
  });
});
