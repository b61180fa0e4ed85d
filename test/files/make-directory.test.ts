// mkdir -p, with an answer in every case.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDirectory } from '../../lib/files/make-directory.ts';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'burgeon-mkdir-'));
});
afterAll(() => rm(base, { recursive: true }));

describe('makeDirectory', () => {
  it('makes what is missing and says what it made', async () => {
    const [a, b] = [path.join(base, 'a'), path.join(base, 'a', 'b')];
    expect(await makeDirectory(b)).toEqual([a, b]);
    expect((await stat(b)).isDirectory()).toBe(true);
    expect(await makeDirectory(b)).toEqual([]);
    expect(await makeDirectory(path.join(a, 'c'))).toEqual([path.join(a, 'c')]);
  });

  it('takes the same directory from several callers at once', async () => {
    const directory = path.join(base, 'x', 'y', 'z');
    await Promise.all(Array.from({ length: 8 }, () => makeDirectory(directory)));
    expect((await stat(directory)).isDirectory()).toBe(true);
  });

  it('refuses a file in the way', async () => {
    await writeFile(path.join(base, 'file'), '');
    await expect(makeDirectory(path.join(base, 'file'))).rejects.toThrow('EEXIST');
    await expect(makeDirectory(path.join(base, 'file', 'below'))).rejects.toThrow('ENOTDIR');
  });

  it.runIf(process.platform === 'linux')('returns where the parent takes no directories', async () => {
    await expect(makeDirectory('/proc/burgeon')).rejects.toThrow('ENOENT');
  });
});
