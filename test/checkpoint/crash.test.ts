// Interrupts writing and pruning at every file system call in turn, and looks at what is left. The stand-in for a kill:
// from the chosen call on, that call (done by half where it can be) and all later ones fail, so that no clean-up runs.
// Power cuts are covered by the order of fsync and rename, which is checked too; fsync itself does nothing here.

import type * as FileSystem from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { findCheckpoints, pruneCheckpoints } from '../../lib/checkpoint/checkpoint-list.ts';
import { readModelDirectory, writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { temporaryDirectory, tinyContents, tinyModel, values } from './helpers.ts';

const disk = vi.hoisted(() => ({ calls: 0, killAt: Number.POSITIVE_INFINITY, log: [] as string[] }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FileSystem>();
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>, half: (...args: A) => unknown = () => {}) =>
    async (...args: A): Promise<R> => {
      disk.calls++;
      if (disk.calls < disk.killAt) return call(...args);
      if (disk.calls === disk.killAt) await half(...args);
      throw new Error('killed');
    };
  const rm = guard(real.rm, async (path) => {
    const [first] = await real.readdir(path as string).catch(() => []);
    if (first !== undefined) await real.rm(join(path as string, first));
  });
  const open = guard(async (path: string, flags: string) => {
    const handle = await real.open(path, flags);
    type Write = (data: Uint8Array, offset: number, length: number) => Promise<unknown>;
    const write = handle.write.bind(handle) as Write;
    const guarded = guard(write, (data, offset, length) => write(data, offset, length >> 1));
    // Of the many alike writes to one file, two are enough to be killed in.
    let writes = 0;
    return Object.assign(handle, {
      write: ((...args) => (++writes > 2 && disk.calls < disk.killAt ? write : guarded)(...args)) satisfies Write,
      sync: guard(async () => {
        disk.log.push(`sync ${basename(path)}`);
      }),
    });
  });
  const rename = guard(async (from: string, to: string) => {
    disk.log.push(`rename to ${basename(to)}`);
    await real.rename(from, to);
  });
  return { ...real, open, rm, rename, mkdir: guard(real.mkdir), readdir: guard(real.readdir) };
});

// One layer keeps the many runs short.
const model = { ...tinyModel, nLayer: 1 };
const expected = (name: string, kind: string, seed: number) => values(name, kind, seed, model);
const smallContents = (seed: number) =>
  tinyContents(seed, {
    model,
    tokenizerFiles: {},
    readTensor: async (name) => expected(name, 'w', seed),
    readMoment: async (name, moment) => expected(name, moment, seed),
  });

beforeEach(() => {
  disk.killAt = Number.POSITIVE_INFINITY;
});

/** Runs `action` with a kill at call `killAt`; whether it was killed. */
async function isKilled(killAt: number, action: () => Promise<unknown>): Promise<boolean> {
  Object.assign(disk, { calls: 0, killAt });
  try {
    await action();
    // A kill inside a clean-up whose failure is not reported counts too.
    return disk.calls >= killAt;
  } catch (error) {
    expect((error as Error).message).toContain('killed');
    return true;
  } finally {
    disk.killAt = Number.POSITIVE_INFINITY;
  }
}

async function seedOf(directory: string): Promise<unknown> {
  const { state, readTensor, readMoment, close } = await readCheckpoint(directory);
  const { step: seed } = state as { step: number };
  expect(await readTensor('wte.weight')).toEqual(expected('wte.weight', 'w', seed));
  expect(await readMoment('ln_f.bias', 'v')).toEqual(expected('ln_f.bias', 'v', seed));
  await close();
  return seed;
}

test('files, then their directory, then the rename, then its directory are made durable', async () => {
  const run = join(await temporaryDirectory(), 'run');
  await writeCheckpoint(run, 1, smallContents(1));
  const { readdir } = await vi.importActual<typeof FileSystem>('node:fs/promises');
  const files = await readdir(join(run, 'checkpoint-00000001'));
  disk.log = [];
  await writeCheckpoint(run, 1, smallContents(2));
  const log = disk.log.map((line) => line.replace(/(\.tmp-checkpoint-\d+)-[0-9a-f]{8}$/, '$1-*'));
  expect(log.slice(0, files.length).sort()).toEqual(files.map((name) => `sync ${name}`).sort());
  expect(log.slice(files.length - 1)).toEqual([
    'sync checkpoint.json',
    'sync .tmp-checkpoint-00000001-*',
    'rename to .replaced-checkpoint-00000001',
    'sync run',
    'rename to checkpoint-00000001',
    'sync run',
    'rename to .tmp-checkpoint-00000001-*',
    'sync run',
  ]);
});

test('killed while adding a checkpoint: the one before stays, the new one is whole or absent', async () => {
  const seen = new Set<string>();
  for (let killAt = 1, killed = true; killed; killAt++) {
    const run = join(await temporaryDirectory(), 'run');
    await writeCheckpoint(run, 1, smallContents(1));
    killed = await isKilled(killAt, () => writeCheckpoint(run, 2, smallContents(2)));
    const found = await findCheckpoints(run);
    seen.add(found.map(({ step, valid }) => `${step} ${valid}`).join());
    for (const { step, directory } of found) expect(await seedOf(directory)).toBe(step);
    await writeCheckpoint(run, 3, smallContents(3));
    expect((await findCheckpoints(run)).at(-1)).toMatchObject({ step: 3, valid: true });
  }
  expect([...seen]).toEqual(['1 true', '1 true,2 true']);
});

test('killed while replacing a checkpoint: the old or the new one is there, whole, and the next write clears up', async () => {
  const seen = new Set<unknown>();
  for (let killAt = 1, killed = true; killed; killAt++) {
    const run = join(await temporaryDirectory(), 'run');
    await writeCheckpoint(run, 1, smallContents(10));
    killed = await isKilled(killAt, () => writeCheckpoint(run, 1, smallContents(11)));
    const found = await findCheckpoints(run);
    expect(found).toMatchObject([{ step: 1, valid: true }]);
    seen.add(await seedOf(found[0]!.directory));
    await writeCheckpoint(run, 2, smallContents(2));
    const { readdir } = await vi.importActual<typeof FileSystem>('node:fs/promises');
    expect((await readdir(run)).sort()).toEqual(['checkpoint-00000001', 'checkpoint-00000002']);
  }
  expect([...seen]).toEqual([10, 11]);
});

test('killed while replacing a model: the old or the new one is read', async () => {
  const seen = new Set<number>();
  for (let killAt = 1, killed = true; killed; killAt++) {
    const directory = join(await temporaryDirectory(), 'model');
    await writeModelDirectory(directory, smallContents(10));
    killed = await isKilled(killAt, () => writeModelDirectory(directory, smallContents(11)));
    const { readTensor, close } = await readModelDirectory(directory);
    const weights = await readTensor('ln_f.bias');
    await close();
    const seed = [10, 11].find((candidate) => expected('ln_f.bias', 'w', candidate)[0] === weights[0])!;
    expect(weights).toEqual(expected('ln_f.bias', 'w', seed));
    seen.add(seed);
  }
  expect([...seen]).toEqual([10, 11]);
});

test('killed while pruning: every checkpoint that is listed is whole', async () => {
  const seen = new Set<string>();
  for (let killAt = 1, killed = true; killed; killAt++) {
    const run = join(await temporaryDirectory(), 'run');
    for (const step of [1, 2, 3]) await writeCheckpoint(run, step, smallContents(step));
    killed = await isKilled(killAt, () => pruneCheckpoints(run, { keepLast: 1 }));
    const found = await findCheckpoints(run);
    expect(found.every(({ valid }) => valid)).toBe(true);
    seen.add(found.map(({ step }) => step).join());
  }
  expect([...seen]).toEqual(['1,2,3', '2,3', '3']);
});
