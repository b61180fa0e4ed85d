// A tokenizer from the files of Hugging Face's: natively where it is byte-level BPE with GPT-2's split pattern, as what
// `burgeon tokenizer train` makes, otherwise step by step as the file says (pipeline/).

import { nativeSync } from '../addon/load.ts';
import { BurgeonError } from '../errors.ts';
import { bounded } from './bounded.ts';
import { type BytePairVocabulary, createBytePairEncoder } from './byte-pairs.ts';
import { descriptionFile, descriptionFileName, type TokenizerDescription } from './description.ts';
import { cutPoint } from './gpt2-pieces.ts';
import {
  checkPrefixSpace,
  cleansUp,
  configuredTokens,
  endOfTextToken,
  readTokenizerConfig,
} from './huggingface-config-file.ts';
import { createPipelineDecoder, createPipelineTokenizer, encodeSections } from './pipeline/pipeline.ts';
import { fromPrintable } from './printable-bytes.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer, TokenizerCore } from './tokenizer.ts';
import { bytePairVocabulary, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

type HuggingFaceDescription = Extract<TokenizerDescription, { name: 'huggingface' }>;

/**
 * @param source where the files come from, for messages.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files are damaged or use what is not supported.
 */
export function createHuggingFaceTokenizer(description: HuggingFaceDescription, source: string): Tokenizer {
  const config = readTokenizerConfig(description.files, source);
  const file = parseTokenizerJson(description.files['tokenizer.json']!, source, configuredTokens(config));
  checkPrefixSpace(config, file);
  const endOfText = endOfTextToken(file, config);
  const core = createCore(file, endOfText, cleansUp(config, file));
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

function createCore(file: TokenizerJson, endOfText: number | undefined, cleansUp: boolean): TokenizerCore {
  const vocabulary = bytePairVocabulary(file);
  try {
    return vocabulary
      ? nativeTokenizer(vocabulary, file, endOfText, cleansUp)
      : bounded(createPipelineTokenizer(file, endOfText, cleansUp), file.source);
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    throw new BurgeonError(error.code, `${file.source}: ${error.message}`, { cause: error });
  }
}

function nativeTokenizer(
  vocabulary: BytePairVocabulary,
  file: TokenizerJson,
  endOfText: number | undefined,
  cleansUp: boolean,
): TokenizerCore {
  const encoder = createBytePairEncoder(vocabulary);
  const encodeText = (text: string) => nativeSync(() => encoder.encode(text));
  const hasAdded = file.addedTokens.some(({ special }) => !special);
  const encodeAround = encodeSections(
    file,
    (text) => text,
    (text, _, ids) => {
      for (const id of encodeText(text)) ids.push(id);
    },
  );
  return {
    encode: hasAdded ? (text) => Int32Array.from(encodeAround(text)) : encodeText,
    ...(cleansUp ? createPipelineDecoder(file, endOfText, true) : bytesDecoder(vocabulary, file, endOfText)),
    // An added token may stand across any place.
    cutPoint: hasAdded ? () => 0 : cutPoint,
  };
}

function bytesDecoder({ tokens }: BytePairVocabulary, { contents }: TokenizerJson, endOfText: number | undefined) {
  const bytes = [...tokens];
  // Special and added tokens, too, are taken for printed bytes where they can be, as by the tokenizers library.
  for (const [id, content] of contents) {
    if (bytes[id] === undefined || bytes[id].length === 0) bytes[id] = fromPrintable(content) ?? Buffer.from(content);
  }
  const tokenBytes = new TokenBytes('huggingface', bytes, endOfText);
  return {
    decode: (ids: ArrayLike<number>) => tokenBytes.decode(ids),
    decoder: () => tokenBytes.decoder(),
    byteLength: (ids: ArrayLike<number>) => tokenBytes.byteLength(ids),
  };
}
