import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGpt2Tokenizer } from '../../lib/tokenizer/gpt2.ts';
import { createTokenizer, readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { printableByte } from '../../lib/tokenizer/printable-bytes.ts';
import { anyText, mixedText } from './texts.ts';

type Json = Record<string, unknown>;

const gpt2 = createGpt2Tokenizer();
const gpt2Files = gpt2.files();

/** Byte-level BPE with a few merges, special tokens in front; `change` may damage it. */
function smallFile(change: Json = {}, changeModel: Json = {}): string {
  const names = ['<s>', '</s>', ...printableByte, 'th', 'the', 'Ġthe', 'Ġt', 'aa'];
  return JSON.stringify({
    added_tokens: ['<s>', '</s>'].map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges: ['t h', 'th e', 'Ġ the', 'Ġ t', 'a a'],
      ...changeModel,
    },
    ...change,
  });
}

const make = (file: string, more: Record<string, string> = {}) =>
  createTokenizer({ name: 'huggingface', files: { 'tokenizer.json': file, ...more } });

describe('byte-level BPE', () => {
  it('encodes and decodes with its own ids', () => {
    const tokenizer = make(smallFile());
    expect(tokenizer).toMatchObject({ name: 'huggingface', vocabSize: 263, endOfText: 1 });
    const id = (name: string) => [...printableByte].indexOf(name) + 2;
    expect([...tokenizer.encode('the then aaa')]).toEqual([259, 260, id('n'), id('Ġ'), 262, id('a')]);
    expect([...tokenizer.encode('</s>')]).toEqual([...'</s>'].map(id));
    expect(tokenizer.decode([1, 260, 0])).toBe('</s> the<s>');
    expect(tokenizer.byteLength([1, 260, 262])).toBe(6);
    fc.assert(
      fc.property(fc.oneof(mixedText, anyText), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
    expect(() => tokenizer.decode([263])).toThrow(/from 0 to 262, the vocabulary of the huggingface tokenizer/);
  });

  it("gives GPT-2's ids for GPT-2's file, with either way of splitting", () => {
    const split = {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    };
    const json = JSON.parse(gpt2Files['tokenizer.json']!);
    for (const pre_tokenizer of [json.pre_tokenizer, split]) {
      const tokenizer = make(JSON.stringify({ ...json, pre_tokenizer }));
      // Long runs would take the package's way of splitting for ever.
      expect(tokenizer.cutPoint('a b')).toBe(1);
      for (const text of ["It's 42 o'clock.\n\n  漢字🤯", '<|endoftext|>', 'x'.repeat(10_000)]) {
        expect([...tokenizer.encode(text)]).toEqual([...gpt2.encode(text)]);
      }
    }
  });

  it('reads merges as lines and as pairs', () => {
    const { merges } = JSON.parse(smallFile()).model;
    const pairs = make(smallFile({}, { merges: merges.map((line: string) => line.split(' ')) }));
    expect([...pairs.encode('the then aaa')]).toEqual([...make(smallFile()).encode('the then aaa')]);
  });

  it('takes the end of text from the configuration, and comes back from its description', () => {
    const config = JSON.stringify({ eos_token: { content: '<s>' } });
    const tokenizer = make(smallFile(), { 'tokenizer_config.json': config });
    expect(tokenizer.endOfText).toBe(0);
    const again = createTokenizer(JSON.parse(JSON.stringify(tokenizer)));
    expect(again.files()).toEqual(tokenizer.files());
    expect(again.endOfText).toBe(0);
    expect(JSON.parse(again.files()['burgeon_tokenizer.json']!)).toEqual({
      name: 'huggingface',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(make(smallFile({ added_tokens: [] })).endOfText).toBeUndefined();
  });
});

describe('damaged files', () => {
  const vocab = JSON.parse(smallFile()).model.vocab;
  const cases: [string, string, RegExp][] = [
    ['not JSON', smallFile().slice(0, 500), /expected JSON, but/],
    ['no vocabulary', smallFile({}, { vocab: undefined }), /expected a vocabulary \(model\.vocab\), found none/],
    ['no model', smallFile({ model: undefined }), /expected a vocabulary/],
    ['no merges', smallFile({}, { merges: undefined }), /expected a list of merges/],
    ['an unknown part', smallFile({}, { merges: ['t hx'] }), /merges\[0\]: expected tokens .* found "hx"/],
    ['an unknown result', smallFile({}, { merges: ['a a', 'a b'] }), /merges\[1\]: expected tokens .* found "ab"/],
    ['three parts', smallFile({}, { merges: ['t h e'] }), /merges\[0\]: expected two tokens, received "t h e"/],
    ['an empty part', smallFile({}, { merges: [['', 'a']] }), /expected two tokens/],
    ['no pair', smallFile({}, { merges: [7] }), /expected two tokens, received 7/],
    [
      'a pair twice',
      smallFile({}, { merges: ['t h', 'a a', 't h'] }),
      /merges\[2\]: expected another pair than .*\[0\]/,
    ],
    [
      'a part that nothing makes',
      smallFile({}, { merges: ['th e'] }),
      /found "th"; merges are missing or go in a circle/,
    ],
    ['an id twice', smallFile({}, { vocab: { ...vocab, th: 2 } }), /expected each id once, found 2 for "." and "th"/],
    ['an id that is none', smallFile({}, { vocab: { ...vocab, th: -1 } }), /integer id for "th", received -1/],
    ['a huge id', smallFile({}, { vocab: { ...vocab, th: 2 ** 40 } }), /integer id for "th"/],
    [
      'a bad added token',
      smallFile({ added_tokens: [{ id: 'x' }] }),
      /added_tokens\[0\]: expected an id and a content/,
    ],
    [
      'an added token with the id of another',
      smallFile({ added_tokens: [{ id: 100, content: '<s>', special: true }] }),
      /expected each id once, found 100/,
    ],
    ['an unknown kind', smallFile({ pre_tokenizer: { type: 'Nonsense' } }), /cannot be used .*Nonsense/],
  ];
  it.each(cases)('%s', (_, file, message) => {
    expect(() => make(file)).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) }),
    );
    expect(() => make(file)).toThrow(/^tokenizer\.json: /);
  });

  it('merges in any order are fine, as long as all are there', () => {
    const tokenizer = make(smallFile({}, { merges: ['th e', 't h'] }));
    expect(tokenizer.encode('the')).toHaveLength(1);
  });
});

describe('other kinds', () => {
  const wordPiece = JSON.stringify({
    added_tokens: [{ id: 0, content: '[UNK]', special: true }],
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { '[UNK]': 0, un: 1, '##able': 2, the: 3, '.': 4 },
    },
  });

  it('WordPiece goes through the package', () => {
    const tokenizer = make(wordPiece);
    expect(tokenizer).toMatchObject({ name: 'huggingface', vocabSize: 5, endOfText: undefined });
    const tokens = tokenizer.encode('The unable.');
    expect([...tokens]).toEqual([3, 1, 2, 4]);
    expect(tokenizer.decode(tokens)).toBe('the unable .');
    expect(tokenizer.byteLength(tokens)).toBe('theunable.'.length);
    expect(tokenizer.cutPoint('The unable. The')).toBe(0);
    const decoder = tokenizer.decoder();
    expect(Array.from(tokens, (token) => decoder.push(token)).join('') + decoder.end()).toBe('the unable .');
    expect(() => tokenizer.decode([5])).toThrow(/token 5: expected an integer from 0 to 4/);
    expect([...tokenizer.encode('xyz')]).toEqual([0]);
  });

  it('BPE with a normalizer, too', () => {
    const tokenizer = make(smallFile({ normalizer: { type: 'Lowercase' } }));
    expect([...tokenizer.encode('THE')]).toEqual([259]);
    expect([...tokenizer.encode('</s>')]).not.toContain(1);
    const tokens = tokenizer.encode('é🤯');
    const decoder = tokenizer.decoder();
    const pieces = Array.from(tokens, (token) => decoder.push(token));
    expect(pieces.join('') + decoder.end()).toBe('é🤯');
    expect(pieces[0]).toBe('');
    expect(tokenizer.byteLength(tokens)).toBe(6);
  });
});

describe('readTokenizer', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'burgeon-huggingface-'));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const write = (name: string, content: string) => writeFile(join(directory, name), content);

  it('reads a directory, a file, or vocab.json with merges.txt', async () => {
    const text = 'the thetha é';
    const ids = [...make(smallFile()).encode(text)];
    await write('tokenizer.json', smallFile());
    expect([...(await readTokenizer(directory)).encode(text)]).toEqual(ids);
    expect([...(await readTokenizer(join(directory, 'tokenizer.json'))).encode(text)]).toEqual(ids);
    await rm(join(directory, 'tokenizer.json'));
    const { vocab, merges } = JSON.parse(smallFile()).model;
    await write('vocab.json', JSON.stringify({ ...vocab, '<|endoftext|>': 263 }));
    await write('merges.txt', ['#version: 0.2', ...merges].join('\n'));
    const tokenizer = await readTokenizer(directory);
    expect([...tokenizer.encode(text)]).toEqual(ids);
    expect(tokenizer.endOfText).toBe(263);
  });

  it('comes back from what it writes, and notices when that changed', async () => {
    for (const [name, content] of Object.entries(make(smallFile()).files())) await write(name, content);
    expect((await readTokenizer(directory)).toJSON()).toEqual(make(smallFile()).toJSON());
    await write('tokenizer.json', smallFile({}, { merges: ['t h'] }));
    await expect(readTokenizer(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/expected the file that .*burgeon_tokenizer\.json names/),
      }),
    );
  });
});
