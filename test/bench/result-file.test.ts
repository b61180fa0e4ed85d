// Files of --json: written, read again, and refused when they are something else.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../lib/bench/machine.ts';
import { benchFile, commandLine, readBenchFile, writeBenchFile } from '../../lib/bench/result-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
});
afterAll(() => rm(directory, { recursive: true }));

const entry = { key: 'a', unit: 'ms' as const, samples: [1, 2] };

describe('a file', () => {
  it('is read as it was written', async () => {
    const file = path.join(directory, 'good.json');
    const content = benchFile('ops', { processor: 'one' } as Machine, [entry]);
    await writeBenchFile(file, content);
    expect(await readBenchFile(file)).toMatchObject({ bench: 'ops', machine: { processor: 'one' }, entries: [entry] });
  });

  it('holds the command without directories', () => {
    expect(commandLine(['bench', 'ops', '--json', path.resolve('somewhere', 'a.json')])).toBe(
      'burgeon bench ops --json a.json',
    );
  });
});

describe('anything else', () => {
  const good = { format: 'burgeon-bench-1', bench: 'ops', date: '', machine: {}, entries: [entry] };
  it.each([
    ['no JSON', 'hello', 'found no JSON'],
    ['other JSON', '{}', 'found format that is none'],
    ['another bench', JSON.stringify({ ...good, bench: 'sort' }), 'found bench that is none'],
    ['no entries', JSON.stringify({ ...good, entries: [] }), 'found entries that is none'],
    ['no samples', JSON.stringify({ ...good, entries: [{ ...entry, samples: [] }] }), 'found entries.0.samples'],
    [
      'samples of nothing',
      JSON.stringify({ ...good, entries: [{ ...entry, samples: [0] }] }),
      'found entries.0.samples.0',
    ],
  ])('%s is refused', async (name, text, message) => {
    const file = path.join(directory, `${name}.json`);
    await writeFile(file, text);
    await expect(readBenchFile(file)).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining(message),
    });
  });

  it('what is not there is named', async () => {
    const file = path.join(directory, 'none.json');
    await expect(readBenchFile(file)).rejects.toThrow(
      `${file}: expected a file written by \`burgeon bench --json\`, found nothing`,
    );
  });
});
