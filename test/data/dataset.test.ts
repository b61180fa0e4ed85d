import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { range, useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

const dataError = (message: string | RegExp) =>
  expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) });

describe('loadDataset of a prepared directory', () => {
  async function prepared(): Promise<string> {
    const path = await temp.write('in.txt', 'hello world, hello again');
    await prepare({ inputs: [path], output: temp.path('data'), tokenizer: 'chars' });
    return temp.path('data');
  }

  async function editManifest(edit: (manifest: Record<string, unknown>) => void): Promise<string> {
    const directory = await prepared();
    const path = temp.path('data/manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    edit(manifest);
    await writeFile(path, JSON.stringify(manifest));
    return directory;
  }

  it('opens both splits and knows the tokenizer', async () => {
    const dataset = await loadDataset({ directory: await prepared() });
    expect(dataset.train.tokenCount).toBe(21);
    expect(dataset.validation?.tokenCount).toBe(3);
    expect(dataset.tokenizer).toMatchObject({ name: 'chars' });
    expect(dataset.vocabSize).toBe(new Set('hello world, hello again').size);
    await dataset.close();
  });

  it('has no validation when nothing was held out', async () => {
    const path = await temp.write('in.txt', 'hello world');
    await prepare({ inputs: [path], output: temp.path('data'), tokenizer: 'bytes', validationFraction: 0 });
    const dataset = await loadDataset({ directory: temp.path('data') });
    expect(dataset).not.toHaveProperty('validation');
    await dataset.close();
  });

  it('reports a directory that is no data set', async () => {
    await expect(loadDataset({ directory: temp.path('missing') })).rejects.toThrow(dataError(/burgeon prepare/));
    await temp.write('data/manifest.json', '{');
    await expect(loadDataset({ directory: temp.path('data') })).rejects.toThrow(
      dataError(/manifest\.json: unreadable/),
    );
    await temp.write('data/manifest.json', '{"format": "other"}');
    await expect(loadDataset({ directory: temp.path('data') })).rejects.toThrow(
      dataError(/expected the manifest of a/),
    );
  });

  it('reports a manifest of a newer version', async () => {
    const directory = await editManifest((manifest) => {
      manifest.version = 3;
    });
    await expect(loadDataset({ directory })).rejects.toThrow(dataError(/expected version 2, found 3/));
  });

  it('reports a damaged manifest by the field', async () => {
    const escaping = await editManifest((manifest) => {
      (manifest.splits as { train: { files: string[] } }).train.files = ['../../etc/passwd'];
    });
    await expect(loadDataset({ directory: escaping })).rejects.toThrow(dataError(/file name without directories/));
    await rm(temp.path('data'), { recursive: true });
    const otherTokenizer = await editManifest((manifest) => {
      manifest.tokenizer = { name: 'unknown' };
    });
    await expect(loadDataset({ directory: otherTokenizer })).rejects.toThrow(dataError(/received name "unknown"/));
  });

  it('reports shards that are missing, or not those of the manifest', async () => {
    const directory = await editManifest((manifest) => {
      (manifest.splits as { train: { tokens: number } }).train.tokens = 22;
    });
    await expect(loadDataset({ directory })).rejects.toThrow(dataError(/expected 22 tokens in .*, found 21/));
    await rm(temp.path('data/data_train_000000.bin'));
    await expect(loadDataset({ directory })).rejects.toThrow(dataError(/data_train_000000\.bin: cannot be opened/));
  });
});

describe('loadDataset of token files', () => {
  it('opens lists and patterns, sorted, each file once', async () => {
    await temp.writeTokens('b.bin', range(3));
    await temp.writeTokens('a.bin', range(4));
    await temp.writeTokens('v.bin', range(5));
    const dataset = await loadDataset({
      train: [temp.path('b.bin'), temp.path('{a,b}.bin')],
      validation: temp.path('v*'),
      vocabSize: 5,
    });
    expect(dataset.train.files.map((file) => file.tokenCount)).toEqual([4, 3]);
    expect(dataset.validation?.tokenCount).toBe(5);
    expect(dataset.vocabSize).toBe(5);
    await dataset.close();
    const trainOnly = await loadDataset({ train: temp.path('a.bin') });
    expect(trainOnly).not.toHaveProperty('validation');
    expect(trainOnly).not.toHaveProperty('vocabSize');
    await trainOnly.close();
  });

  it('reports missing files of either split', async () => {
    const train = await temp.writeTokens('a.bin', [1, 2]);
    await expect(loadDataset({ train: temp.path('x*.bin') })).rejects.toThrow(dataError(/no file matches/));
    await expect(loadDataset({ train, validation: temp.path('v.bin') })).rejects.toThrow(dataError(/no such file/));
    await expect(loadDataset({ train: [] })).rejects.toThrow(dataError(/at least one path/));
  });
});
