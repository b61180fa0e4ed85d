// A tokenizer from the files of Hugging Face's: natively where it is byte-level BPE with GPT-2's split pattern, as what
// `burgeon tokenizer train` makes, otherwise through their own package (huggingface-package.ts).

import { nativeSync } from '../addon/load.ts';
import { BurgeonError } from '../errors.ts';
import { bounded } from './bounded.ts';
import { type BytePairVocabulary, createBytePairEncoder } from './byte-pairs.ts';
import { descriptionFile, descriptionFileName, type TokenizerDescription } from './description.ts';
import { cutPoint } from './gpt2-pieces.ts';
import { createPackageTokenizer } from './huggingface-package.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer, TokenizerCore } from './tokenizer.ts';
import { asObject, bytePairVocabulary, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

type HuggingFaceDescription = Extract<TokenizerDescription, { name: 'huggingface' }>;

/**
 * @param source where the files come from, for messages.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files are damaged or use what is not supported.
 */
export function createHuggingFaceTokenizer(description: HuggingFaceDescription, source: string): Tokenizer {
  const file = parseTokenizerJson(description.files['tokenizer.json']!, source);
  const config = readConfig(description.files['tokenizer_config.json'], source);
  const endOfText = endOfTextToken(file, config);
  const vocabulary = bytePairVocabulary(file);
  const core = vocabulary
    ? nativeTokenizer(vocabulary, file, endOfText)
    : bounded(createPackageTokenizer(file, config, endOfText), source);
  const files = { [descriptionFileName]: descriptionFile(description), ...description.files };
  return {
    name: 'huggingface',
    vocabSize: file.vocabSize,
    endOfText,
    ...core,
    files: () => files,
    toJSON: () => description,
  };
}

function nativeTokenizer(
  vocabulary: BytePairVocabulary,
  { contents, addedTokens }: TokenizerJson,
  endOfText: number | undefined,
): TokenizerCore {
  const encoder = createBytePairEncoder(vocabulary);
  const bytes = [...vocabulary.tokens];
  for (const { id } of addedTokens) bytes[id] = Buffer.from(contents.get(id)!);
  const tokenBytes = new TokenBytes('huggingface', bytes, endOfText);
  return {
    encode: (text) => nativeSync(() => encoder.encode(text)),
    decode: (tokens) => tokenBytes.decode(tokens),
    decoder: () => tokenBytes.decoder(),
    byteLength: (tokens) => tokenBytes.byteLength(tokens),
    cutPoint,
  };
}

function readConfig(text: string | undefined, source: string): Record<string, unknown> {
  try {
    return asObject(JSON.parse(text ?? '{}'));
  } catch (cause) {
    const problem = `tokenizer_config.json: expected JSON, but ${(cause as Error).message}`;
    throw new BurgeonError('ERR_BURGEON_DATA', `${source}: ${problem}`, { cause });
  }
}

const usualEndOfText = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>', '<|eos|>'];

/** The eos_token of the configuration, or a special token of a usual name. */
function endOfTextToken({ contents, addedTokens }: TokenizerJson, config: Record<string, unknown>): number | undefined {
  const { eos_token } = config;
  const content = typeof eos_token === 'string' ? eos_token : asObject(eos_token).content;
  if (typeof content === 'string') {
    for (const [id, own] of contents) if (own === content) return id;
  }
  return addedTokens.find((token) => token.special && usualEndOfText.includes(token.content))?.id;
}
