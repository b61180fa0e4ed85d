// Tokenizers of every kind against what the tokenizers library makes of them (test/golden/tokenizers.json), and what is refused.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { kinds, texts } from './kinds.ts';
import { encodeOrRefuse, makeKind, streamed } from './tokens-of.ts';

interface Golden {
  /** Ids of each text, null where the library fails. */
  ids: (string | null)[];
  decoded: [tokens: string, text: string][];
}

const file = path.join(import.meta.dirname, '../golden/tokenizers.json');
const golden: { kinds: Record<string, Golden> } = JSON.parse(readFileSync(file, 'utf8'));
const numbers = (line: string) => line.split(' ').filter(Boolean).map(Number);

describe.each(Object.entries(kinds))('%s', (name, kind) => {
  const { ids, decoded } = golden.kinds[name]!;

  it('is encoded as by the tokenizers library, or refused', () => {
    const tokenizer = makeKind(kind);
    for (const [i, text] of texts.entries()) {
      const found = encodeOrRefuse(tokenizer, text);
      if (typeof found === 'string') {
        // The library drops such text or fails.
        expect(name).toContain('without unk');
        expect(found).toMatch(
          /^text: expected what the vocabulary of the tokenizer has tokens for, found ".*", and it has no/,
        );
      } else expect(found, JSON.stringify(text)).toEqual(numbers(ids[i]!));
    }
  });

  it('is decoded as by the tokenizers library, whole and token by token', () => {
    const tokenizer = makeKind(kind);
    for (const [line, text] of decoded) {
      expect(tokenizer.decode(numbers(line))).toBe(text);
      expect(streamed(tokenizer, numbers(line))).toBe(text);
    }
  });
});

it('the golden file has these kinds, and no others', () => {
  expect(Object.keys(golden.kinds)).toEqual(Object.keys(kinds));
});

describe('special tokens in a text are text', () => {
  const special = (name: string, text: string) => {
    const { json } = kinds[name]!;
    const ids = (json.added_tokens as { id: number; special: boolean }[])
      .filter((token) => token.special)
      .map(({ id }) => id);
    const unknown = ['<unk>', '[UNK]'].flatMap(
      (unk) => (json.model as { vocab: Record<string, number> }).vocab[unk] ?? [],
    );
    return [...makeKind(kinds[name]!).encode(text)].filter(
      (id) => ids.includes(id) && !unknown.includes(id) && id !== 0,
    );
  };
  it.each(['byte-level BPE', 'Llama', 'Unigram', 'Unigram, bytes', 'WordLevel', 'WordPiece, as it is'])(
    '%s',
    (name) => {
      expect(special(name, 'hello</s>')).toEqual([]);
      expect(special(name, 'hello </s> <s> [SEP] the')).toEqual([]);
    },
  );
});

describe('what is not supported is refused by name', () => {
  const split = (Regex: string) => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
  });
  const cases: [string, object, object][] = [
    ['pre_tokenizer "UnicodeScripts"', { pre_tokenizer: { type: 'UnicodeScripts' } }, {}],
    ['pre_tokenizer "Nonsense"', { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Nonsense' }] } }, {}],
    [
      'pre_tokenizer Split with behavior "Kept"',
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Kept' } },
      {},
    ],
    ['pre_tokenizer Split with pattern {}', { pre_tokenizer: { type: 'Split', pattern: {}, behavior: 'Removed' } }, {}],
    ['FixedLength with length 0', { pre_tokenizer: { type: 'FixedLength', length: 0 } }, {}],
    ['possessive quantifiers', split('\\s++$|.'), {}],
    ['groups, options or escapes', split('(?>a+)b'), {}],
    ['groups, options or escapes', split('(?m:a.)'), {}],
    ['the regular expression "(a"', split('(a'), {}],
    ['Metaspace with prepend_scheme "often"', { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'often' } }, {}],
    ['normalizer "Cleaner"', { normalizer: { type: 'Cleaner' } }, {}],
    [
      'normalizer Precompiled with a damaged character map',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: '/////w==' } },
      {},
    ],
    ['decoder "CTC"', { decoder: { type: 'CTC' } }, {}],
    ['decoder "CTC"', { decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'CTC' }] } }, {}],
    ['model BPE with dropout 0.1', {}, { dropout: 0.1 }],
    ['model "Morse"', {}, { type: 'Morse' }],
  ];
  it.each(cases)('%s', (name, parts, model) => {
    const { json } = kinds.Llama!;
    const changed = { ...json, ...parts, model: { ...(json.model as object), ...model } };
    const make = () => makeKind({ json: changed });
    expect(make).toThrow(BurgeonError);
    expect(make).toThrow(/^tokenizer\.json: this kind of tokenizer cannot be used \(.*\); /);
    expect(make).toThrow(name);
  });

  it('the options and classes that published patterns use are not', () => {
    const published = [
      "(?i:'s|'t)|[^\\r\\n\\p{L}]?\\p{L}+",
      '\\p{N}{1,3}',
      '[a+++]|\\++',
      '\\s*[\\r\\n]+|\\s+(?!\\S)',
      '(?:a|b)(?=c)',
    ];
    for (const pattern of published) makeKind({ json: { ...kinds.Llama!.json, ...split(pattern) } });
  });
});

describe('decoding token by token', () => {
  it.each(['Llama', 'Unigram', 'WordPiece, clean-up', 'BPE, end of word'])('of %s is linear in time', (name) => {
    const tokenizer = makeKind(kinds[name]!);
    const looks = (count: number) => {
      const decoder = tokenizer.decoder();
      const get = vi.spyOn(Map.prototype, 'get');
      try {
        for (let i = 0; i < count; i++) decoder.push(3 + (i % 5));
        return get.mock.calls.length;
      } finally {
        get.mockRestore();
      }
    };
    // Each token is looked at once, however many came before it.
    expect(looks(2000)).toBe(2 * looks(1000));
  });

  it('gives text as soon as nothing can change it', () => {
    const pieces = (name: string, ids: readonly number[]) => {
      const decoder = makeKind(kinds[name]!).decoder();
      return [...ids.map((id) => decoder.push(id)), decoder.end()];
    };
    const ids = (name: string, text: string) => [...makeKind(kinds[name]!).encode(text)];
    expect(pieces('Unigram', ids('Unigram', 'hello world then'))).toEqual(['hello', ' world', ' then', '']);
    expect(pieces('Llama', ids('Llama', 'the 🤯 world'))).toEqual(['t', 'he', ' ', '', '', '', '', '🤯 ', 'world', '']);
    // "n" may become "n't"; what comes three characters after a space no longer changes.
    expect(pieces('WordPiece, clean-up', ids('WordPiece, clean-up', "i do n 'know ."))).toEqual([
      '',
      '',
      '',
      '',
      "i do n'know",
      '',
      '.',
    ]);
  });

  it('starts anew after its end', () => {
    for (const name of ['Llama', 'Unigram', 'WordPiece', 'BPE, end of word']) {
      const tokenizer = makeKind(kinds[name]!);
      const ids = [...tokenizer.encode('hello world')];
      const decoder = tokenizer.decoder();
      const once = () => ids.map((id) => decoder.push(id)).join('') + decoder.end();
      expect([once(), once()]).toEqual([tokenizer.decode(ids), tokenizer.decode(ids)]);
    }
  });
});
