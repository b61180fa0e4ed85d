// Tokenizer files in the formats of Hugging Face transformers and tokenizers, so that AutoTokenizer loads a checkpoint
// directory of burgeon and gives the same ids: GPT-2's five files, and tokenizer.json for the bytes and chars
// tokenizers. Only builds strings; writing them is up to the checkpoint code. Layouts: transformers
// tokenization_gpt2.py, and the tokenizer.json that the tokenizers library writes.

import type { BytePairVocabulary } from './byte-pairs.ts';
import { printableByte, toPrintable } from './printable-bytes.ts';

/** Content of GPT-2's <|endoftext|>, which begins, ends and (never needed) replaces unknown text. */
export const endOfTextContent = '<|endoftext|>';

/**
 * vocab.json as a map: printable token -> id, in the order of ids.
 * @param tokens bytes of all tokens but <|endoftext|>, which follows.
 */
export function gpt2Vocabulary(tokens: readonly Uint8Array[]): Map<string, number> {
  const vocabulary = new Map(tokens.map((bytes, token) => [toPrintable(bytes), token]));
  return vocabulary.set(endOfTextContent, tokens.length);
}

/**
 * vocab.json, merges.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json of byte pair encoding as
 * GPT-2 has it: its split pattern, and <|endoftext|> after the tokens of the vocabulary.
 */
export function gpt2TokenizerFiles({ tokens, merges }: BytePairVocabulary): Record<string, string> {
  const vocabulary = stringifyInOrder(gpt2Vocabulary(tokens));
  const texts = tokens.map(toPrintable);
  const mergeLines = merges.map(([left, right]) => `${texts[left]} ${texts[right]}`);
  const specialTokens = { bos_token: endOfTextContent, eos_token: endOfTextContent, unk_token: endOfTextContent };
  return {
    'vocab.json': `${vocabulary}\n`,
    'merges.txt': `${['#version: 0.2', ...mergeLines].join('\n')}\n`,
    'tokenizer.json': tokenizerFile({
      addedTokens: [specialToken(tokens.length, endOfTextContent)],
      preTokenizer: byteLevel({ addPrefixSpace: false, useRegex: true }),
      decoder: byteLevel({ addPrefixSpace: true, useRegex: true }),
      model: bytePairModel(vocabulary, mergeLines),
    }),
    'tokenizer_config.json': json({
      add_prefix_space: false,
      ...specialTokens,
      clean_up_tokenization_spaces: false,
      tokenizer_class: 'GPT2Tokenizer',
    }),
    'special_tokens_map.json': json(specialTokens),
  };
}

/**
 * tokenizer.json of what vocab.json and merges.txt hold; <|endoftext|> is a special token where the vocabulary has it.
 * @param merges the lines of merges.txt, without its first.
 * @param beside what other files say: tokens of added_tokens.json with their ids, and which of them are special.
 */
export function bytePairTokenizerFile(
  vocabulary: Record<string, unknown>,
  merges: readonly string[],
  beside: { addPrefixSpace: boolean; added: Readonly<Record<string, unknown>>; special: ReadonlySet<string> },
): string {
  const id = vocabulary[endOfTextContent];
  const added = Object.entries(beside.added)
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .filter(([content]) => content !== endOfTextContent);
  return tokenizerFile({
    addedTokens: [
      ...(typeof id === 'number' ? [specialToken(id, endOfTextContent)] : []),
      ...added.map(([content, addedId]) => addedToken(addedId, content, beside.special.has(content))),
    ],
    preTokenizer: byteLevel({ addPrefixSpace: beside.addPrefixSpace, useRegex: true }),
    decoder: byteLevel({ addPrefixSpace: true, useRegex: true }),
    model: bytePairModel(JSON.stringify(vocabulary), merges),
  });
}

/** The bytes tokenizer as byte pair encoding without merges: token = byte. */
export function bytesTokenizerFiles(): Record<string, string> {
  const vocabulary = stringifyInOrder(new Map(printableByte.map((character, byte) => [character, byte])));
  return fastTokenizerFiles(
    tokenizerFile({
      addedTokens: [],
      preTokenizer: byteLevel({ addPrefixSpace: false, useRegex: false }),
      decoder: byteLevel({ addPrefixSpace: false, useRegex: false }),
      model: bytePairModel(vocabulary, []),
    }),
  );
}

/**
 * The chars tokenizer as one word per code point. Text with other characters is refused, as by ours: the unknown token
 * that the model type asks for is not in the vocabulary.
 * @param characters character of token i at index i.
 */
export function charsTokenizerFiles(characters: readonly string[]): Record<string, string> {
  const vocabulary = stringifyInOrder(new Map(characters.map((character, token) => [character, token])));
  return fastTokenizerFiles(
    tokenizerFile({
      addedTokens: [],
      preTokenizer: '{"type":"Split","pattern":{"Regex":"[\\\\s\\\\S]"},"behavior":"Isolated","invert":false}',
      decoder: '{"type":"Fuse"}',
      model: `{"type":"WordLevel","vocab":${vocabulary},"unk_token":"<unknown>"}`,
    }),
  );
}

function fastTokenizerFiles(tokenizer: string): Record<string, string> {
  return {
    'tokenizer.json': tokenizer,
    'tokenizer_config.json': json({
      clean_up_tokenization_spaces: false,
      tokenizer_class: 'PreTrainedTokenizerFast',
    }),
  };
}

/** tokenizer.json from its parts, which are JSON already: the vocabulary has to keep its order. */
function tokenizerFile(parts: {
  addedTokens: readonly object[];
  preTokenizer: string;
  decoder: string;
  model: string;
}): string {
  return (
    '{"version":"1.0","truncation":null,"padding":null,' +
    `"added_tokens":${JSON.stringify(parts.addedTokens)},"normalizer":null,"pre_tokenizer":${parts.preTokenizer},` +
    `"post_processor":null,"decoder":${parts.decoder},"model":${parts.model}}\n`
  );
}

function specialToken(id: number, content: string): object {
  return addedToken(id, content, true);
}

function addedToken(id: unknown, content: string, special: boolean): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: !special, special };
}

function byteLevel(options: { addPrefixSpace: boolean; useRegex: boolean }): string {
  return JSON.stringify({
    type: 'ByteLevel',
    add_prefix_space: options.addPrefixSpace,
    trim_offsets: true,
    use_regex: options.useRegex,
  });
}

function bytePairModel(vocabulary: string, merges: readonly string[]): string {
  return (
    '{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",' +
    `"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":${vocabulary},` +
    `"merges":${JSON.stringify(merges)}}`
  );
}

/**
 * A JSON object with its keys in the order of the map; in a JavaScript object, keys like "2020" would move to the
 * front.
 */
function stringifyInOrder(map: ReadonlyMap<string, number>): string {
  return `{${Array.from(map, ([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
