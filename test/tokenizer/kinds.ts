// Small tokenizers of every kind that a tokenizer.json can describe, as files, and texts that they treat differently. What the
// tokenizers library makes of them is test/golden/tokenizers.json, and is asked anew by test/interop.

import { inflateSync } from 'node:zlib';
import { printableByte, toPrintable } from '../../lib/tokenizer/printable-bytes.ts';

/**
 * A character map as sentencepiece 0.2.2 compiles it of these rules (--normalization_rule_tsv, code points in hexadecimal):
 * FF21: 41, FF22: 42, FB01: 66 69, 2460: 31, 3000: 20, A0: 20, AD: nothing, 41 30A: C5, 1F1E6 1F1E8: 61 63, 9: 20.
 */
const charactersMap = inflateSync(
  Buffer.from(
    'eNol03dsTWEYx/HfeVuRJgRJ/yBB7K2U2qtqxaq9Z5VSe8/illap1dql3NuqKlpq1x41Sq699yhBYtRu7O/Rk3zO85z8zniS97zylFRK8iooWZLD7WcUnU8qRO8qIvtwxEYYucg96NN8OXkaOZpIqWFGBbgMny0leEmJxSQedeSH09sox98oKskoOddDzsJ5fUoJvkVenBcfzTAqSS2dN4LKogzKoxwqogIqoxKqogqqoxpqwAeMpJqojVqoAz/UQ100QH00QkMwuhqjGZqiOfzRAgFohZZog9Zoa99T1Kg9tR06ogM6IRBd0Bnd0BU90B290BN90Bv90BcD0B+DMBBBGIxgDMEwDMVwhCAUIzAKIzEGozEOYzEB4zEJEzEFkzENUzED0zELM8FyKQxzMQfh9iJjPuYhEhGIwgIswkIsRjSWYgmWYxliEYOVWIHVWIW1WIM4rMMGrMdGxMOJTUiAC5uRiC1IwlYkYxtSsAPbkYZU7MJO7EY69mIP9mMfDuIADiEDR3AYx+x/DydwHKdwEpk4jbM4g/M4hwvIsrN0Sxepl+DGFVzGNVzFDVzHLdzEHdzGPdzFA9zHIzzEEzzGMzxFNp7jJV7gFT54W3pDfW1nbkvZ8Zbe0b+1M7zHR+TgMz7hK77gO77ZWZalXOpP/MBv/MJf/NH/zefLJghQULBCQpUZqX9BC5td',
    'base64',
  ),
).toString('base64');

type Json = Record<string, unknown>;

/** A tokenizer.json, and what stands in tokenizer_config.json. */
export interface Kind {
  json: Json;
  config?: Json;
}

const words = [
  'hello',
  'the',
  'then',
  'world',
  'know',
  'unable',
  'not',
  'do',
  'name',
  'covid',
  'tokens',
  '東京',
  'é',
  'ß',
];

const token = (id: number, content: string, flags: Json = {}) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: !flags.special,
  special: false,
  ...flags,
});
const special = (id: number, content: string) => token(id, content, { special: true, normalized: false });
const toVocab = (tokens: readonly string[]) => Object.fromEntries(tokens.map((text, id) => [text, id]));
const sequence = (key: string, ...parts: Json[]) => ({ type: 'Sequence', [key]: parts });
const metaspace = (more: Json = {}) => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme: 'always',
  split: true,
  ...more,
});

/** Merges that build each word from its start, and what they make. */
function mergesOf(texts: readonly string[], prefix = ''): { merges: string[]; made: string[] } {
  const made = new Map<string, string>();
  for (const text of texts) {
    const [first, ...rest] = Array.from(text);
    let left = first!;
    for (const character of rest) {
      if (!made.has(left + character)) made.set(left + character, `${left} ${prefix}${character}`);
      left += character;
    }
  }
  return { merges: [...made.values()], made: [...made.keys()] };
}

/** Byte-level BPE; special tokens in front, then bytes, then what merges make, then `more`. */
function byteLevel(parts: Json = {}, model: Json = {}, more: readonly Json[] = []): Json {
  const { merges, made } = mergesOf(
    [...words, ...words.map((word) => ` ${word}`)].map((word) => toPrintable(Buffer.from(word))),
  );
  const tokens = ['<s>', '</s>', ...printableByte, ...made];
  return {
    version: '1.0',
    added_tokens: [
      special(0, '<s>'),
      special(1, '</s>'),
      ...more.map((entry, i) => ({ ...entry, id: tokens.length + i })),
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    ...parts,
    model: {
      type: 'BPE',
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: toVocab(tokens),
      merges,
      ...model,
    },
  };
}

const letters = Array.from("abcdefghijklmnopqrstuvwxyz0123456789.,!?'<>/-_▁東京éßTHENA ");
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

/** BPE over characters with a metaspace, as Llama's. */
function llama(parts: Json = {}, more: readonly Json[] = []): Json {
  const { merges, made } = mergesOf([...words.slice(0, -1), ...words.map((word) => `▁${word}`)]);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...letters, ...made];
  return {
    version: '1.0',
    added_tokens: [
      ...['<unk>', '<s>', '</s>'].map((text, id) => special(id, text)),
      ...more.map((entry, i) => ({ ...entry, id: tokens.length + i })),
    ],
    normalizer: sequence(
      'normalizers',
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ),
    pre_tokenizer: null,
    post_processor: null,
    decoder: sequence(
      'decoders',
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ),
    ...parts,
    model: { type: 'BPE', unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab: toVocab(tokens), merges },
  };
}

function characterPairs(model: Json, parts: Json, prefix = '', suffix = ''): Json {
  const { merges, made } = mergesOf(words.slice(0, 8), prefix);
  const tail = (text: string) => text + suffix;
  const tokens = new Set([
    '[UNK]',
    ...letters,
    ...letters.map((letter) => prefix + letter),
    ...letters.map(tail),
    ...made,
  ]);
  const ends = suffix === '' ? [] : words.slice(0, 8).map((word) => `${word.slice(0, -1)} ${word.at(-1)}${suffix}`);
  for (const end of ends) tokens.add(end.replace(' ', ''));
  return {
    added_tokens: [special(0, '[UNK]')],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    ...parts,
    model: { type: 'BPE', vocab: toVocab([...tokens]), merges: [...merges, ...ends], ...model },
  };
}

function wordPiece(parts: Json = {}): Json {
  const pieces = [
    '[UNK]',
    '[CLS]',
    '[SEP]',
    'i',
    'do',
    'n',
    "'",
    'know',
    '.',
    ',',
    '!',
    '?',
    'the',
    'un',
    '##able',
    '##s',
  ];
  const more = [
    ...words,
    'do',
    '##not',
    't',
    's',
    'm',
    've',
    're',
    '##n',
    '[',
    ']',
    '東',
    '京',
    'e',
    '##e',
    'ss',
    '<',
    '>',
    '/',
  ];
  return {
    added_tokens: ['[UNK]', '[CLS]', '[SEP]'].map((text, id) => special(id, text)),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    ...parts,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 12,
      vocab: toVocab([...new Set([...pieces, ...more])]),
    },
  };
}

function unigram(parts: Json = {}, model: Json = {}): Json {
  const pieces = [
    ...words.map((word) => `▁${word}`),
    ...words,
    '▁',
    's',
    'n',
    '.',
    ',',
    "'",
    '<',
    '/',
    '>',
    'A',
    'B',
    'fi',
  ];
  const scored = [...new Set(pieces)].map((piece, i) => [piece, -2 - i / 7 - 1 / piece.length]);
  return {
    added_tokens: ['<unk>', '<s>', '</s>'].map((text, id) => special(id, text)),
    normalizer: { type: 'NFKC' },
    pre_tokenizer: metaspace(),
    post_processor: null,
    decoder: metaspace(),
    ...parts,
    model: {
      type: 'Unigram',
      unk_id: 0,
      byte_fallback: false,
      vocab: [['<unk>', 0], ['<s>', 0], ['</s>', 0], ...scored],
      ...model,
    },
  };
}

function wordLevel(parts: Json = {}, unk: Json = { unk_token: '<unk>' }): Json {
  const tokens = [
    ...new Set(['<unk>', '</s>', ...words, ...letters, '<', 's', '>', 'doesn', "'", 't', '!!', '42', '4', '2']),
  ];
  return {
    added_tokens: [special(0, '<unk>'), special(1, '</s>')],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    ...parts,
    model: { type: 'WordLevel', vocab: toVocab(tokens), ...unk },
  };
}

/** Like cl100k's, with the options, lookaheads and classes that published files use. */
const modernPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const modern = sequence(
  'pretokenizers',
  { type: 'Split', pattern: { Regex: modernPattern }, behavior: 'Isolated', invert: false },
  { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
);

const name = token(0, '<name>');
const covid = token(0, 'covid19');
const preTokenized = (pre_tokenizer: Json): Kind => ({ json: wordLevel({ pre_tokenizer, decoder: { type: 'Fuse' } }) });
const splitAt = (behavior: string, invert = false): Kind =>
  preTokenized({ type: 'Split', pattern: { Regex: '[\\s!]' }, behavior, invert });
const normalized = (normalizer: Json): Kind => ({ json: byteLevel({ normalizer }) });
const unigramWith = (pre: Json, decoder = pre): Kind => ({
  json: unigram({ pre_tokenizer: metaspace(pre), decoder: metaspace(decoder) }),
});

export const kinds: Readonly<Record<string, Kind>> = {
  'byte-level BPE': { json: byteLevel() },
  'byte-level BPE, added tokens': { json: byteLevel({}, {}, [name, covid, token(0, ' name ')]) },
  'byte-level BPE, single words': {
    json: byteLevel({}, {}, [
      { ...covid, single_word: true },
      { ...name, single_word: true },
    ]),
  },
  'byte-level BPE, stripping tokens': {
    json: byteLevel({}, {}, [
      { ...name, lstrip: true },
      { ...covid, rstrip: true },
      token(0, '<b>', { lstrip: true, rstrip: true }),
    ]),
  },
  'byte-level BPE, lower case, tokens of normalized text': {
    json: byteLevel({ normalizer: { type: 'Lowercase' } }, {}, [
      token(0, 'COVID19'),
      token(0, '<Name>', { normalized: false }),
    ]),
  },
  'byte-level BPE, one token in another': { json: byteLevel({}, {}, [token(0, 'covid1'), covid, token(0, '19 t')]) },
  'byte-level BPE, prefix space': {
    json: byteLevel(
      { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } },
      {},
      [name],
    ),
  },
  'byte-level BPE, special é': { json: byteLevel({}, {}, [special(0, 'éü'), special(0, '<|ü |>')]) },
  'byte-level BPE, modern pattern': { json: byteLevel({ pre_tokenizer: modern }, { ignore_merges: true }, [name]) },
  'byte-level BPE, clean-up twice': {
    json: byteLevel(),
    config: {
      clean_up_tokenization_spaces: true,
      clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: true,
    },
  },
  'byte-level BPE, digits': {
    json: byteLevel({
      pre_tokenizer: sequence(
        'pretokenizers',
        { type: 'Digits', individual_digits: true },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: true, trim_offsets: true },
      ),
    }),
  },
  'byte-level BPE, byte-level normalizer': {
    json: byteLevel({
      normalizer: sequence('normalizers', { type: 'NFC' }, { type: 'ByteLevel' }),
      pre_tokenizer: null,
    }),
  },
  'BERT normalizer': normalized({
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  }),
  'BERT normalizer, cased': normalized({
    type: 'BertNormalizer',
    clean_text: false,
    handle_chinese_chars: false,
    strip_accents: true,
    lowercase: false,
  }),
  'normalizers NFD and StripAccents': normalized(sequence('normalizers', { type: 'NFD' }, { type: 'StripAccents' })),
  'normalizers NFKD and Strip': normalized(
    sequence('normalizers', { type: 'NFKD' }, { type: 'Strip', strip_left: true, strip_right: true }),
  ),
  'normalizer Strip, left': normalized({ type: 'Strip', strip_left: true, strip_right: false }),
  'normalizer Nmt': normalized({ type: 'Nmt' }),
  'normalizer Lowercase': normalized({ type: 'Lowercase' }),
  'normalizer Replace': normalized({ type: 'Replace', pattern: { Regex: '\\s+' }, content: '$& ' }),
  'normalizer Precompiled': normalized({ type: 'Precompiled', precompiled_charsmap: charactersMap }),
  Llama: { json: llama() },
  'Llama, added tokens': {
    json: llama({}, [name, { ...covid, normalized: false }, token(0, '<b>', { rstrip: true })]),
  },
  'Llama, metaspace first': {
    json: llama({ normalizer: null, pre_tokenizer: metaspace({ prepend_scheme: 'first', split: false }) }, [
      name,
      { ...covid, normalized: false },
    ]),
  },
  'Llama, metaspace never': {
    json: llama({
      normalizer: null,
      pre_tokenizer: metaspace({ prepend_scheme: 'never' }),
      decoder: metaspace({ prepend_scheme: 'never' }),
    }),
  },
  'Llama, metaspace always': {
    json: llama({ normalizer: null, pre_tokenizer: metaspace(), decoder: metaspace() }, [covid]),
  },
  'BPE, end of word': {
    json: characterPairs(
      { unk_token: '[UNK]', end_of_word_suffix: '</w>' },
      { normalizer: { type: 'Lowercase' }, decoder: { type: 'BPEDecoder', suffix: '</w>' } },
      '',
      '</w>',
    ),
  },
  'BPE, continuing prefix': {
    json: characterPairs(
      { unk_token: '[UNK]', continuing_subword_prefix: '##', fuse_unk: true },
      { decoder: { type: 'WordPiece', prefix: '##', cleanup: false } },
      '##',
    ),
  },
  'BPE, unknown characters one by one': { json: characterPairs({ unk_token: '[UNK]', fuse_unk: false }, {}) },
  'BPE without unk': { json: characterPairs({ unk_token: null }, {}) },
  WordPiece: { json: wordPiece() },
  'WordPiece, clean-up': {
    json: wordPiece({ decoder: { type: 'WordPiece', prefix: '##', cleanup: false } }),
    config: { clean_up_tokenization_spaces: true },
  },
  'WordPiece, as it is': {
    json: wordPiece({
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    }),
  },
  Unigram: { json: unigram() },
  'Unigram, bytes': {
    json: unigram(
      { decoder: sequence('decoders', { type: 'ByteFallback' }, metaspace()) },
      {
        byte_fallback: true,
        vocab: [...(unigram().model as { vocab: [string, number][] }).vocab, ...bytes.map((text) => [text, 0])],
      },
    ),
  },
  'Unigram, first': unigramWith({ prepend_scheme: 'first', split: false }),
  'Unigram, never': unigramWith({ prepend_scheme: 'never' }),
  'Unigram, words': {
    json: unigram({
      normalizer: { type: 'Precompiled', precompiled_charsmap: charactersMap },
      pre_tokenizer: sequence('pretokenizers', { type: 'WhitespaceSplit' }, metaspace({ prepend_scheme: 'first' })),
    }),
  },
  WordLevel: { json: wordLevel() },
  'WordLevel without unk': { json: wordLevel({}, { unk_token: '<unknown>' }) },
  'pre-tokenizer WhitespaceSplit': preTokenized({ type: 'WhitespaceSplit' }),
  'pre-tokenizer FixedLength': preTokenized({ type: 'FixedLength', length: 2 }),
  'pre-tokenizer Digits': preTokenized({ type: 'Digits', individual_digits: false }),
  'pre-tokenizer Punctuation': preTokenized({ type: 'Punctuation', behavior: 'Isolated' }),
  'pre-tokenizer Punctuation, contiguous': preTokenized({ type: 'Punctuation', behavior: 'Contiguous' }),
  'pre-tokenizer CharDelimiterSplit': preTokenized({ type: 'CharDelimiterSplit', delimiter: ' ' }),
  'pre-tokenizer Split, removed': splitAt('Removed'),
  'pre-tokenizer Split, isolated': splitAt('Isolated'),
  'pre-tokenizer Split, contiguous': splitAt('Contiguous'),
  'pre-tokenizer Split, merged with previous': splitAt('MergedWithPrevious'),
  'pre-tokenizer Split, merged with next': splitAt('MergedWithNext'),
  'pre-tokenizer Split, inverted': splitAt('Removed', true),
};

/** The examples of bug reports, and what Unicode has ready. */
export const texts: readonly string[] = [
  '',
  'hello <name> and covid19',
  'hello</s>the <s>then</s>',
  'hello </s> world [UNK] <unk>',
  " i do n 'know. do not! doesn't covid190 a<name>b",
  '  the\u00a0 then\u0085\ufeffworld\u3000\n\n\tend ',
  'THE Éé é ẞß ΟΔΥΣΣΕΥΣ İ ſ K 東京 ﬁ Ａ ① 🇦🇨 🤯 👩‍👧 A\u030a',
  "It'S 12345 ٣½Ⅷ 'ſ!! ...--<b>  covid19  the",
  '\u{2b820}\u{2b920}a\u200db\u00adc\u0000d\ufffde\u{e000}',
  '▁the▁▁then ##able<0x41><0x0A> $& x',
  'unables unable thethen  knownot !!do,not.',
];

/** What the oracle is to encode with: burgeon takes special tokens in text for ordinary text, so it gets them under names no text has. */
export function withoutSpecials(json: Json): Json {
  const tokens = json.added_tokens as { content: string; special: boolean }[];
  const hidden = new Set(
    tokens.filter((each) => each.special && Array.from(each.content).length > 1).map(({ content }) => content),
  );
  const hide = (text: string) => (hidden.has(text) ? `\u{f0000}${text}` : text);
  const model = json.model as Json;
  const vocab = Array.isArray(model.vocab)
    ? (model.vocab as [string, number][]).map(([text, score]) => [hide(text), score])
    : Object.fromEntries(Object.entries(model.vocab as Json).map(([text, id]) => [hide(text), id]));
  const unk = typeof model.unk_token === 'string' ? { unk_token: hide(model.unk_token) } : {};
  return { ...json, added_tokens: tokens.filter((each) => !each.special), model: { ...model, vocab, ...unk } };
}
