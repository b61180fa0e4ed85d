// The list of what was dropped: the same from a run that was left alone and one that was interrupted.

import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { readManifest } from '../../../lib/data/manifest.ts';
import type { NearDuplicate } from '../../../lib/prepare/near-duplicates/filter.ts';
import { type PrepareOptions, prepare } from '../../../lib/prepare/prepare.ts';
import { useTempDirectory } from '../../data/temp-directory.ts';
import { repeatedTextOptions, writeRepeatedText } from './repeated-text.ts';

const temp = useTempDirectory();

beforeEach(() => writeRepeatedText(temp));

function run(more: Partial<PrepareOptions> = {}) {
  return prepare({
    inputs: [temp.path('in')],
    output: temp.path('out'),
    tokenizer: 'bytes',
    ...repeatedTextOptions,
    ...more,
  });
}

async function readList(): Promise<NearDuplicate[]> {
  const text = await readFile(temp.path('out/near-duplicates.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('the list', () => {
  it('names each dropped document and the kept one that it is like', async () => {
    const manifest = await run();
    expect(manifest.skipped).toEqual({ empty: 1, nearDuplicates: 3, blankLines: 1, list: 'near-duplicates.jsonl' });
    const begins = (seed: number) => expect.stringContaining(`w${seed}n0 w${seed}n1 `);
    const [a, b, c] = [temp.path('in/a.txt'), temp.path('in/b.jsonl'), temp.path('in/c.txt')];
    const share = expect.any(Number);
    const repeats = expect.stringMatching(/^(w\dn\d+ ){7}w\dn\d+$/);
    expect(await readList()).toEqual([
      {
        file: b,
        number: 4,
        begins: begins(1),
        repeated: share,
        repeats,
        like: { file: a, number: 1, begins: begins(1), share },
      },
      {
        file: c,
        number: 2,
        begins: begins(3),
        repeated: 1,
        repeats,
        like: { file: b, number: 5, begins: begins(3), share: 1 },
      },
      {
        file: c,
        number: 3,
        begins: begins(2),
        repeated: 1,
        repeats,
        like: { file: b, number: 1, begins: begins(2), share: 1 },
      },
    ]);
  });

  it('is empty where nothing is dropped, and missing where nothing was looked for', async () => {
    await run({ inputs: [temp.path('in/a.txt')] });
    expect(await readList()).toEqual([]);
    const { skipped } = await run({ dropNearDuplicates: false });
    expect(skipped).toEqual({ empty: 1, nearDuplicates: 0, blankLines: 1 });
    expect(existsSync(temp.path('out/near-duplicates.jsonl'))).toBe(false);
  });

  it('belongs to the data set, which can be replaced', async () => {
    await run();
    await run();
    expect((await readManifest(temp.path('out'))).skipped.list).toBe('near-duplicates.jsonl');
    expect((await readdir(temp.path('out'))).sort()).toEqual([
      'data_train_000000.bin',
      'data_val_000000.bin',
      'files.jsonl',
      'manifest.json',
      'near-duplicates.jsonl',
    ]);
  });

  it.each(['scan', 'encode'] as const)(
    'is the same when the run is stopped in the phase %s and goes on',
    async (at) => {
      await run();
      const whole = await readFile(temp.path('out/near-duplicates.jsonl'));
      await rm(temp.path('out'), { recursive: true });
      const stop = new AbortController();
      let reports = 0;
      const stopped = run({
        signal: stop.signal,
        onProgress({ phase }) {
          // In the scan after the second file, whose duplicates are listed then.
          if (phase === at && ++reports === (at === 'scan' ? 2 : 1)) stop.abort(new Error('stopped here'));
        },
      });
      await expect(stopped).rejects.toThrow('stopped here');
      expect(existsSync(temp.path('out.partial/data/near-duplicates.jsonl'))).toBe(at === 'encode');
      await run();
      expect(await readFile(temp.path('out/near-duplicates.jsonl'))).toEqual(whole);
      expect((await readdir(temp.path('out'))).filter((name) => name.endsWith('.partial'))).toEqual([]);
    },
  );

  it('is written again when a record of the interrupted scan is damaged', async () => {
    await run();
    const whole = await readFile(temp.path('out/near-duplicates.jsonl'));
    const stop = new AbortController();
    const stopped = run({ signal: stop.signal, onProgress: ({ phase }) => phase === 'encode' && stop.abort() });
    await expect(stopped).rejects.toThrow();
    await writeFile(temp.path('out.partial/work/scan/000001'), 'torn');
    await writeFile(temp.path('out.partial/data/near-duplicates.jsonl'), 'torn');
    await run();
    expect(await readFile(temp.path('out/near-duplicates.jsonl'))).toEqual(whole);
  });
});
