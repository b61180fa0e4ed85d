// Tokenizer files in the formats of Hugging Face transformers and tokenizers, so that AutoTokenizer loads a checkpoint
// directory of burgeon and gives the same ids: GPT-2's five files, and tokenizer.json for the bytes and chars
// tokenizers. Only builds strings; writing them is up to the checkpoint code. Layouts: transformers
// tokenization_gpt2.py, and the tokenizer.json that the tokenizers library writes.

/** Content of GPT-2's <|endoftext|>, which begins, ends and (never needed) replaces unknown text. */
const endOfTextContent = '<|endoftext|>';

/**
 * The printable stand-ins of ByteLevel BPE (openai/gpt-2, encoder.py): 33-126, 161-172 and 174-255 stand for
 * themselves, the other 68 bytes become U+0100, U+0101, ... in order. A space is U+0120.
 */
const printableByte: readonly string[] = (() => {
  let extra = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    return String.fromCharCode(isPrintable ? byte : 256 + extra++);
  });
})();

function printable(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => printableByte[byte]!).join('');
}

/**
 * GPT-2's vocab.json as a map: printable token -> id, in the order of ids.
 * @param tokens bytes of tokens 0 to 50255; <|endoftext|> follows as 50256.
 */
export function gpt2Vocabulary(tokens: readonly Uint8Array[]): Map<string, number> {
  const vocabulary = new Map(tokens.map((bytes, token) => [printable(bytes), token]));
  return vocabulary.set(endOfTextContent, tokens.length);
}

/**
 * vocab.json, merges.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json of GPT-2.
 * @param tokens bytes of tokens 0 to 50255.
 * @param merges merges[i] = the two tokens that make token 256 + i.
 */
export function gpt2TokenizerFiles(
  tokens: readonly Uint8Array[],
  merges: ReadonlyArray<readonly [left: number, right: number]>,
): Record<string, string> {
  const vocabulary = stringifyInOrder(gpt2Vocabulary(tokens));
  const texts = tokens.map(printable);
  const mergeLines = merges.map(([left, right]) => `${texts[left]} ${texts[right]}`);
  const specialTokens = { bos_token: endOfTextContent, eos_token: endOfTextContent, unk_token: endOfTextContent };
  const endOfTextToken = {
    id: tokens.length,
    content: endOfTextContent,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  };
  return {
    'vocab.json': `${vocabulary}\n`,
    'merges.txt': `#version: 0.2\n${mergeLines.join('\n')}\n`,
    'tokenizer.json': tokenizerFile({
      addedTokens: [endOfTextToken],
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
