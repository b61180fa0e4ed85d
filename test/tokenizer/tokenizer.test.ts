import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTokenizer, readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
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

describe('readTokenizer', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'burgeon-tokenizer-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const write = (name: string, content: string) => writeFile(join(directory, name), content);
  const gpt2Files = createTokenizer({ name: 'gpt2' }).files();

  it.each(descriptions)('loads the files of $name', async (description) => {
    for (const [name, content] of Object.entries(createTokenizer(description).files())) await write(name, content);
    expect((await readTokenizer(directory)).toJSON()).toEqual(description);
  });

  it.each([[['vocab.json', 'merges.txt']], [['tokenizer.json']]])('recognizes GPT-2 by %j alone', async (names) => {
    for (const name of names) await write(name, gpt2Files[name]!);
    expect((await readTokenizer(directory)).name).toBe('gpt2');
  });

  it('reports a directory without a tokenizer', async () => {
    const expected = expect.objectContaining({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining('found none of these files'),
    });
    await expect(readTokenizer(directory)).rejects.toThrow(expected);
    await expect(readTokenizer(join(directory, 'missing'))).rejects.toThrow(expected);
    // vocab.json counts only together with merges.txt, as it does not say in which order to merge.
    await write('vocab.json', gpt2Files['vocab.json']!);
    await expect(readTokenizer(directory)).rejects.toThrow(expected);
  });

  it("takes GPT-2's files with another id for another tokenizer", async () => {
    const swapped = gpt2Files['tokenizer.json']!.replace('"Ġthe":262,"in":259', '"x":0').replace(
      /"Ġthe":262(.*?)"Ġgazed":50255/s,
      '"Ġthe":50255$1"Ġgazed":262',
    );
    await write('tokenizer.json', swapped);
    const tokenizer = await readTokenizer(directory);
    expect(tokenizer).toMatchObject({ name: 'huggingface', vocabSize: 50257, endOfText: 50256 });
    expect([...tokenizer.encode('the the gazed')]).toEqual([1169, 50255, 262]);
  });

  describe("what has GPT-2's vocabulary and more", () => {
    type Json = Record<string, unknown>;
    const own: Json = JSON.parse(gpt2Files['tokenizer.json']!);
    const text = 'hello <name> and covid19';
    // By the GPT2Tokenizer of transformers 5.18 after add_tokens(['<name>', 'covid19']), and without.
    const withTokens = [31373, 220, 50257, 290, 220, 50258];
    const plain = [31373, 1279, 3672, 29, 290, 39849, 312, 1129];
    const added = (id: number, content: string, special = false) => ({
      ...{ id, content, single_word: false, lstrip: false, rstrip: false },
      ...{ normalized: !special, special },
    });
    const tokens = [...(own.added_tokens as Json[]), added(50257, '<name>'), added(50258, 'covid19')];
    const writeJson = (name: string, content: object) => write(name, JSON.stringify(content));
    const ids = async () => [...(await readTokenizer(directory)).encode(text)];

    it('added tokens and another end of text, in tokenizer.json', async () => {
      await writeJson('tokenizer.json', { ...own, added_tokens: [...tokens, added(50259, '<|im_end|>', true)] });
      await writeJson('tokenizer_config.json', { eos_token: '<|im_end|>', tokenizer_class: 'GPT2Tokenizer' });
      const tokenizer = await readTokenizer(directory);
      expect([...tokenizer.encode(text)]).toEqual(withTokens);
      expect(tokenizer).toMatchObject({ name: 'huggingface', endOfText: 50259, vocabSize: 50260 });
      expect(tokenizer.decode(withTokens)).toBe(text);
      // An added token may stand across any place to cut.
      expect(tokenizer.cutPoint('a covid19 b')).toBe(0);
    });

    it('added tokens in tokenizer_config.json', async () => {
      await write('tokenizer.json', gpt2Files['tokenizer.json']!);
      const decoder = { 50256: added(50256, '<|endoftext|>', true), 50257: tokens[1], 50258: tokens[2] };
      await writeJson('tokenizer_config.json', { added_tokens_decoder: decoder });
      expect(await ids()).toEqual(withTokens);
    });

    it('added tokens in added_tokens.json beside vocab.json and merges.txt', async () => {
      for (const name of ['vocab.json', 'merges.txt']) await write(name, gpt2Files[name]!);
      await writeJson('added_tokens.json', { covid19: 50258, '<name>': 50257, '<|im_end|>': 50259 });
      await writeJson('special_tokens_map.json', { eos_token: { content: '<|im_end|>' } });
      const tokenizer = await readTokenizer(directory);
      expect([...tokenizer.encode(text)]).toEqual(withTokens);
      expect(tokenizer.endOfText).toBe(50259);
      expect([...tokenizer.encode('<|im_end|>')]).not.toContain(50259);
      for (const [name, content] of Object.entries(tokenizer.files())) await write(name, content);
      expect((await readTokenizer(directory)).toJSON()).toEqual(tokenizer.toJSON());
    });

    it.each<[string, Json, number[]]>([
      ['a normalizer', { normalizer: { type: 'Lowercase' } }, plain],
      [
        'a prefix space',
        { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, use_regex: true } },
        [23748, ...plain.slice(1)],
      ],
      [
        'fewer merges',
        { model: { ...(own.model as Json), merges: (own.model as { merges: string[] }).merges.slice(0, -1) } },
        plain,
      ],
    ])('%s', async (_, change, expected) => {
      await writeJson('tokenizer.json', { ...own, ...change });
      const tokenizer = await readTokenizer(directory);
      expect(tokenizer.name).toBe('huggingface');
      expect([...tokenizer.encode(text)]).toEqual(expected);
    });

    it.each<[string, string, string]>([
      ['a chat template', 'tokenizer_config.json', '{"chat_template": "{{ messages }}"}'],
      ['a chat template of its own', 'chat_template.jinja', '{{ messages }}'],
      [
        'clean-up told twice',
        'tokenizer_config.json',
        '{"clean_up_tokenization_spaces": true, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true}',
      ],
      ['more special tokens', 'special_tokens_map.json', '{"additional_special_tokens": ["<x>"]}'],
    ])('%s is kept', async (_, name, content) => {
      await write('tokenizer.json', gpt2Files['tokenizer.json']!);
      await write(name, content);
      const tokenizer = await readTokenizer(directory);
      expect(tokenizer.name).toBe('huggingface');
      expect(tokenizer.files()[name]).toBe(content);
      expect([...tokenizer.encode(text)]).toEqual(plain);
    });

    it('what does not change tokens is still GPT-2', async () => {
      const published = { ...own, post_processor: { type: 'ByteLevel', trim_offsets: false } };
      const [endOfText] = own.added_tokens as Json[];
      await writeJson('tokenizer.json', { ...published, added_tokens: [{ ...endOfText, normalized: true }] });
      await writeJson('tokenizer_config.json', {
        model_max_length: 1024,
        tokenizer_class: 'GPT2Tokenizer',
        pad_token: null,
      });
      expect((await readTokenizer(directory)).name).toBe('gpt2');
    });
  });

  describe('what contradicts itself', () => {
    // Bytes, one word and the end of text, in the files of GPT-2.
    const { model, ...parts } = JSON.parse(createTokenizer({ name: 'bytes' }).files()['tokenizer.json']!);
    const vocab = { ...model.vocab, hi: 256, '<|endoftext|>': 257 };
    const tokenizer = JSON.stringify({ ...parts, model: { ...model, vocab, merges: ['h i'] } });

    it.each<[string, Record<string, string>, RegExp]>([
      [
        'another class beside vocab.json',
        { 'tokenizer_config.json': '{"tokenizer_class": "Qwen2Tokenizer"}' },
        /tokenizer_class: expected GPT2Tokenizer .* found "Qwen2Tokenizer"/,
      ],
      [
        'RoBERTa',
        { 'tokenizer_config.json': '{"tokenizer_class": "RobertaTokenizerFast"}' },
        /found "RobertaTokenizerFast"/,
      ],
      [
        'an end of text that is not there',
        { 'tokenizer_config.json': '{"eos_token": "<|im_end|>"}' },
        /eos_token: expected a token of the vocabulary, found "<\|im_end\|>"/,
      ],
      [
        'tokens that the tokenizer.json lacks',
        { 'tokenizer.json': tokenizer, 'added_tokens.json': '{"<x>": 258}' },
        /expected the tokens of added_tokens\.json .* no "<x>"/,
      ],
      [
        'two meanings of a prefix space',
        { 'tokenizer.json': tokenizer, 'tokenizer_config.json': '{"add_prefix_space": true}' },
        /add_prefix_space: expected the same as in tokenizer_config\.json \(true\)/,
      ],
      [
        'ids that the library would not give',
        { 'added_tokens.json': '{"<x>": 300}' },
        /expected id 258 for "<x>", as the tokenizers library gives it .* found 300/,
      ],
      ['a token that is there already', { 'added_tokens.json': '{"hi": 258}' }, /expected id 256 for "hi"/],
    ])('refuses %s', async (_, files, message) => {
      await write('vocab.json', JSON.stringify(vocab));
      await write('merges.txt', '#version: 0.2\nh i\n');
      for (const [name, content] of Object.entries(files)) await write(name, content);
      await expect(readTokenizer(directory)).rejects.toMatchObject({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(message),
      });
    });
  });

  it('refuses files that lack a vocabulary', async () => {
    await write('merges.txt', '#version: 0.2\n');
    for (const content of ['null', '{}', '{"model":{"vocab":{}}}']) {
      await write('tokenizer.json', content);
      await expect(readTokenizer(directory)).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_BURGEON_DATA',
          message: expect.stringMatching(/tokenizer\.json: expected a vocabulary \(model\.vocab\), found none/),
        }),
      );
    }
  });

  it('reports a damaged description', async () => {
    await write('burgeon_tokenizer.json', '{"name": "gp');
    await expect(readTokenizer(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/burgeon_tokenizer\.json: expected JSON/),
      }),
    );
    await write('burgeon_tokenizer.json', '{"name": "chars", "characters": "abc"}');
    await expect(readTokenizer(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/burgeon_tokenizer\.json: characters: expected a list/),
      }),
    );
  });
});
