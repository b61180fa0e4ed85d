// A directory that is being written belongs to one process; one that loses it writes no more, and says so.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { thisProcess } from '../../lib/files/process-identity.ts';
import { type PartialDirectory, writeDirectory } from '../../lib/prepare/output-directory.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { goneIdentity, leaveLock } from '../files/lock-processes.ts';

const kind = { name: 'a test', foreignNames: () => [] };

async function newOutput() {
  const root = await temporaryDirectory();
  const output = path.join(root, 'out');
  return { root, output, partial: `${output}.partial`, lock: path.join(`${output}.partial`, '.burgeon.lock') };
}

const write = (output: string, meanwhile: (partial: PartialDirectory) => unknown = () => {}) =>
  writeDirectory(
    output,
    'job',
    async (partial) => {
      await writeFile(path.join(partial.data, 'text'), 'made');
      await meanwhile(partial);
    },
    { kind },
  );

test('nothing else is left when it is done', async () => {
  const { root, output } = await newOutput();
  await write(output);
  expect(await readdir(root)).toEqual(['out']);
  expect(await readFile(path.join(output, 'text'), 'utf8')).toBe('made');
});

test('of those that write at once one does, and those that come when it is done write too', async () => {
  const { root, output } = await newOutput();
  const written = await Promise.allSettled(Array.from({ length: 8 }, () => write(output)));
  const refused = written.filter((result) => result.status === 'rejected');
  expect(refused.length).toBeLessThan(8);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'ERR_BURGEON_BUSY' });
  expect(await readdir(root)).toEqual(['out']);
});

test.each(['.burgeon.lock', `.burgeon.lock.new-${'0'.repeat(32)}`])(
  'what a killed process has left is gone on with: %s alone',
  async (name) => {
    const { root, output, partial } = await newOutput();
    await mkdir(partial);
    await leaveLock(path.join(partial, name), await goneIdentity());
    await write(output);
    expect(await readdir(root)).toEqual(['out']);
  },
);

describe('a directory that is', () => {
  const lost = (text: string) => ({
    code: 'ERR_BURGEON_BUSY',
    message: expect.stringMatching(`out.partial: ${text} while output .*out was being written; start again$`),
  });

  test('taken over is the other one’s', async () => {
    const { root, output, lock } = await newOutput();
    const take = async () => {
      await rm(lock);
      await leaveLock(lock, { ...(await thisProcess()), host: 'far', boot: 'another' });
    };
    await expect(write(output, take)).rejects.toMatchObject(
      lost('its lock was taken over by process \\d+ on far \\(.*\\)'),
    );
    expect(await readdir(root)).toEqual(['out.partial']);
    expect(await readFile(path.join(root, 'out.partial', 'data', 'text'), 'utf8')).toBe('made');
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ host: 'far' });
  });

  test.runIf(process.platform === 'linux')('moved', async () => {
    const { root, output, partial } = await newOutput();
    await expect(write(output, () => rename(partial, `${output}-moved`))).rejects.toMatchObject(
      lost('it was moved to .*out-moved'),
    );
    expect(await readdir(root)).toEqual(['out-moved']);
  });

  test('deleted, also where that is not how it shows', async () => {
    const { root, output, partial } = await newOutput();
    const writeOn = async ({ data }: PartialDirectory) => {
      await rm(partial, { recursive: true });
      await writeFile(path.join(data, 'more'), '');
    };
    await expect(write(output, writeOn)).rejects.toMatchObject(lost('it was deleted or moved out of sight'));
    expect(await readdir(root)).toEqual([]);
  });
});
