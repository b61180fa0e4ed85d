// The bytes tokenizer: token = UTF-8 byte, vocabulary 256. Any text can be encoded and nothing has to be learned first;
// sequences are about four times as long as with gpt2. There is no token for the end of a text.

import { descriptionFile, descriptionFileName } from './description.ts';
import { bytesTokenizerFiles } from './huggingface.ts';
import { completeLength } from './surrogates.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

const tokenBytes = new TokenBytes(
  'bytes',
  Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
);

/** A tokenizer whose tokens are the UTF-8 bytes of the text. */
export function createBytesTokenizer(): Tokenizer {
  let files: Readonly<Record<string, string>> | undefined;
  return {
    name: 'bytes',
    vocabSize: 256,
    endOfText: undefined,
    encode: (text) => Int32Array.from(Buffer.from(text, 'utf8')),
    decode: (tokens) => tokenBytes.decode(tokens),
    decoder: () => tokenBytes.decoder(),
    byteLength(tokens) {
      for (let i = 0; i < tokens.length; i++) tokenBytes.of(tokens[i]!);
      return tokens.length;
    },
    cutPoint: (text) => completeLength(text),
    files() {
      files ??= { [descriptionFileName]: descriptionFile({ name: 'bytes' }), ...bytesTokenizerFiles() };
      return files;
    },
    toJSON: () => ({ name: 'bytes' }),
  };
}
