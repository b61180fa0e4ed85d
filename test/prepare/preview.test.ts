// The dry run of prepare: what a real one says, and nothing written.

import { readdir, readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { readFileList } from '../../lib/prepare/file-list.ts';
import type { NearDuplicate } from '../../lib/prepare/near-duplicates/filter.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { previewPrepare } from '../../lib/prepare/preview.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { repeatedTextOptions, writeRepeatedText } from './near-duplicates/repeated-text.ts';

const temp = useTempDirectory();
beforeEach(() => writeRepeatedText(temp));

async function preview(more = {}) {
  const nearDuplicates: NearDuplicate[] = [];
  const found = await previewPrepare({
    inputs: [temp.path('in')],
    ...repeatedTextOptions,
    ...more,
    onNearDuplicate: (document) => {
      nearDuplicates.push(document);
    },
  });
  return { ...found, nearDuplicates };
}

describe('previewPrepare', () => {
  it('finds what a real run lists, and writes nothing', async () => {
    const { nearDuplicates, files, ...found } = await preview();
    expect(await readdir(temp.path())).toEqual(['in']);
    const { source, skipped, invalidUtf8 } = await prepare({
      inputs: [temp.path('in')],
      output: temp.path('out'),
      tokenizer: 'bytes',
      ...repeatedTextOptions,
    });
    const listed = (await readFile(temp.path('out/near-duplicates.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(nearDuplicates).toEqual(listed.map((line) => JSON.parse(line)));
    const { list: _, ...counts } = skipped;
    const { list: __, ...counted } = source;
    expect(found).toEqual({ source: counted, skipped: counts, invalidUtf8 });
    const made = await readFileList(temp.path('out'));
    expect(files).toEqual(made.map(({ tokens, ...file }) => file));
    expect(made.map(({ tokens }) => tokens!.train + tokens!.validation)).not.toContain(0);
  });

  it('drops nothing unless asked', async () => {
    const { nearDuplicates, skipped } = await preview({ dropNearDuplicates: false });
    expect([nearDuplicates, skipped]).toEqual([[], { empty: 1, nearDuplicates: 0, blankLines: 1 }]);
  });

  it('refuses what prepare refuses', async () => {
    await expect(preview({ delimiter: '' })).rejects.toThrow(/^delimiter: expected at least one character/);
    await expect(preview({ inputs: [] })).rejects.toThrow(/^inputs: expected at least one/);
    await temp.write('in/d.jsonl', '{"text":1}\n');
    await expect(preview()).rejects.toThrow(/d\.jsonl:1: expected a JSON object/);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    await expect(preview({ signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });
});
