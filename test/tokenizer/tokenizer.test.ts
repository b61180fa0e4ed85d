import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTokenizer, loadTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import type { TokenizerDescription } from '../../lib/tokenizer/tokenizer.ts';

const descriptions: TokenizerDescription[] = [
  { name: 'gpt2' },
  { name: 'bytes' },
  { name: 'chars', characters: ['\n', ' ', 'a', 'b', '🤯'] },
];

describe('createTokenizer', () => {
  it.each(descriptions)('makes $name from its description, and describes it', (description) => {
    const tokenizer = createTokenizer(description);
    expect(tokenizer.name).toBe(description.name);
    expect(JSON.parse(JSON.stringify(tokenizer))).toEqual(description);
    const tokens = tokenizer.encode('ab a\n🤯');
    expect(tokens).toBeInstanceOf(Int32Array);
    expect(Math.max(...tokens)).toBeLessThan(tokenizer.vocabSize);
    expect(tokenizer.decode(tokens)).toBe('ab a\n🤯');
  });

  it.each([
    [{ name: 'gpt4' }, 'received name "gpt4"'],
    [undefined, 'received name nothing'],
    [{ name: 'chars' }, 'expected a list of at least one character'],
    [{ name: 'chars', characters: [] }, 'expected a list of at least one character'],
    [{ name: 'chars', characters: ['a', 'bc'] }, 'received "bc" for token 1'],
    [{ name: 'chars', characters: ['a', '\ud800'] }, 'for token 1'],
    [{ name: 'chars', characters: ['a', 7] }, 'received 7 for token 1'],
    [{ name: 'chars', characters: ['a', 'b', 'a'] }, 'received "a" for tokens 0 and 2'],
    [{ name: 'huggingface' }, 'files: expected an object with the text of tokenizer.json'],
    [{ name: 'huggingface', files: { 'tokenizer.json': 7 } }, 'files: expected an object with the text'],
  ])('refuses %j', (description, message) => {
    expect(() => createTokenizer(description as TokenizerDescription)).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_CONFIG', message: expect.stringContaining(message) }),
    );
  });
});

describe('loadTokenizer', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'burgeon-tokenizer-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const write = (name: string, content: string) => writeFile(join(directory, name), content);
  const gpt2Files = createTokenizer({ name: 'gpt2' }).files();

  it.each(descriptions)('loads the files of $name', async (description) => {
    for (const [name, content] of Object.entries(createTokenizer(description).files())) await write(name, content);
    expect((await loadTokenizer(directory)).toJSON()).toEqual(description);
  });

  it.each([[['vocab.json', 'merges.txt']], [['tokenizer.json']]])('recognizes GPT-2 by %j alone', async (names) => {
    for (const name of names) await write(name, gpt2Files[name]!);
    expect((await loadTokenizer(directory)).name).toBe('gpt2');
  });

  it('reports a directory without a tokenizer', async () => {
    const expected = expect.objectContaining({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining('found none of these files'),
    });
    await expect(loadTokenizer(directory)).rejects.toThrow(expected);
    await expect(loadTokenizer(join(directory, 'missing'))).rejects.toThrow(expected);
    // vocab.json counts only together with merges.txt, as it does not say in which order to merge.
    await write('vocab.json', gpt2Files['vocab.json']!);
    await expect(loadTokenizer(directory)).rejects.toThrow(expected);
  });

  it("takes GPT-2's files with another id for another tokenizer", async () => {
    const swapped = gpt2Files['tokenizer.json']!.replace('"Ġthe":262,"in":259', '"x":0').replace(
      /"Ġthe":262(.*?)"Ġgazed":50255/s,
      '"Ġthe":50255$1"Ġgazed":262',
    );
    await write('tokenizer.json', swapped);
    const tokenizer = await loadTokenizer(directory);
    expect(tokenizer).toMatchObject({ name: 'huggingface', vocabSize: 50257, endOfText: 50256 });
    expect([...tokenizer.encode('the the gazed')]).toEqual([1169, 50255, 262]);
  });

  it('refuses files that lack a vocabulary', async () => {
    await write('merges.txt', '#version: 0.2\n');
    for (const content of ['null', '{}', '{"model":{"vocab":{}}}']) {
      await write('tokenizer.json', content);
      await expect(loadTokenizer(directory)).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_BURGEON_DATA',
          message: expect.stringMatching(/tokenizer\.json: expected a vocabulary \(model\.vocab\), found none/),
        }),
      );
    }
  });

  it('reports a damaged description', async () => {
    await write('burgeon_tokenizer.json', '{"name": "gp');
    await expect(loadTokenizer(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/burgeon_tokenizer\.json: expected JSON/),
      }),
    );
    await write('burgeon_tokenizer.json', '{"name": "chars", "characters": "abc"}');
    await expect(loadTokenizer(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/burgeon_tokenizer\.json: characters: expected a list/),
      }),
    );
  });
});
