// How many tokens a described tokenizer has, without making it: that takes the addon, and longer.

import type { TokenizerDescription } from './description.ts';
import { configuredTokens, readTokenizerConfig } from './huggingface-config-file.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';

/**
 * V.
 * @param source where the description comes from, for messages.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files in it are damaged.
 */
export function vocabularySize(description: TokenizerDescription, source: string): number {
  switch (description.name) {
    case 'gpt2':
      return 50257;
    case 'bytes':
      return 256;
    case 'chars':
      return description.characters.length;
    case 'huggingface': {
      const { files } = description;
      const added = configuredTokens(readTokenizerConfig(files, source));
      return parseTokenizerJson(files['tokenizer.json']!, source, added).vocabSize;
    }
  }
}
