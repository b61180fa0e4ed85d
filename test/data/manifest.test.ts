import { readFile, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DataManifest, readManifest } from '../../lib/data/manifest.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { kinds } from '../tokenizer/kinds.ts';
import { makeKind } from '../tokenizer/tokens-of.ts';
import { useTempDirectory } from './temp-directory.ts';

// biome-ignore lint/suspicious/noExplicitAny: what somebody may write by hand.
type Edited = any;

const temp = useTempDirectory();

beforeEach(async () => {
  const input = await temp.write('in.txt', 'hello world, hello again\nand once more');
  await prepare({ inputs: [input], output: temp.path('data'), tokenizer: 'chars' });
});

async function edit(change: (manifest: Edited) => void): Promise<DataManifest> {
  const path = temp.path('data/manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
  return readManifest(temp.path('data'));
}

describe('a manifest that was edited by hand', () => {
  it('is read as it was written', async () => {
    expect(await edit(() => {})).toMatchObject({ version: 2, splitBy: 'tokens' });
  });

  it.each<[string, (manifest: Edited) => void, RegExp]>([
    [
      'a misspelt key',
      ({ splits: { train } }) => rename(train, 'sha256', 'sha-256'),
      /found splits\.train\.sha-256: unknown key; it was edited/,
    ],
    ['a key too many', (manifest) => Object.assign(manifest, { dtype: 'uint16' }), /found dtype: unknown key/],
    ['a misspelt option', ({ skipped }) => rename(skipped, 'empty', 'blank'), /skipped/],
    ['a key of the tokenizer', ({ tokenizer }) => Object.assign(tokenizer, { files: {} }), /received also "files"/],
    ['a wrong vocabulary', (manifest) => manifest.vocabSize++, /vocabSize: expected \d+, the tokens of the chars/],
    ['fewer characters', ({ tokenizer }) => tokenizer.characters.pop(), /vocabSize: expected/],
    [
      'a delimiter that is no token',
      (manifest) => setDelimiter(manifest, 99),
      /delimiter\.token: .*below \d+, found 99/,
    ],
    ['hashes left out', ({ splits: { train } }) => delete train.sha256, /expected sha256/],
    ['hashes left out of validation', ({ splits: { validation } }) => delete validation.sha256, /expected sha256/],
    ['validation left out', ({ splits }) => delete splits.validation, /splitBy: expected null without/],
    [
      'a shard twice',
      ({ splits: { train, validation } }) => Object.assign(validation, { files: train.files }),
      /found data_train_000000\.bin twice/,
    ],
    ['fewer documents', ({ source }) => source.documents--, /source\.documents: expected 1, .*found 0/],
    ['a share above 1', ({ options }) => Object.assign(options, { validationFraction: 1.5 }), /validationFraction/],
  ])('is refused by name: %s', async (_, change, message) => {
    await expect(edit(change)).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('has the vocabulary of its tokenizer.json, or is refused', async () => {
    const input = await temp.write('words.txt', 'the cat sat');
    const tokenizer = makeKind(kinds.WordLevel!);
    await prepare({ inputs: [input], output: temp.path('data'), tokenizer, validationFraction: 0 });
    expect((await readManifest(temp.path('data'))).vocabSize).toBe(tokenizer.vocabSize);
    await expect(edit((manifest) => manifest.vocabSize++)).rejects.toThrow(/the tokens of the huggingface tokenizer/);
  });

  it('may lack the hashes where it is of the version before', async () => {
    const manifest = await edit((written) => {
      written.version = 1;
      for (const split of Object.values<Edited>(written.splits)) delete split.sha256;
    });
    expect(manifest.splits.train.sha256).toBeUndefined();
  });
});

function rename(object: Edited, from: string, to: string): void {
  object[to] = object[from];
  delete object[from];
}

function setDelimiter(manifest: Edited, token: number): void {
  manifest.delimiter = { token, position: 'before' };
}
