// GPT-2's byte pair encoding: 50,256 byte strings and <|endoftext|>. gpt2-merges.bin holds what was learned (OpenAI, released
// with GPT-2): 50,000 pairs of token ids, 16 bits each, little-endian; the pair at index i became token 256 + i. Splitting and
// merging are native (byte-pairs.ts). Ids equal those of transformers' GPT-2 tokenizer, whose files huggingface.ts writes.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { NativeBytePairEncoder } from '../addon/binding.ts';
import { nativeSync, packageRoot } from '../addon/load.ts';
import { type BytePairVocabulary, createBytePairEncoder, type Merge } from './byte-pairs.ts';
import { descriptionFile, descriptionFileName } from './description.ts';
import { cutPoint } from './gpt2-pieces.ts';
import { endOfTextContent, gpt2TokenizerFiles } from './huggingface.ts';
import { printableByte } from './printable-bytes.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

const mergesFile = path.join(packageRoot, 'lib', 'tokenizer', 'gpt2-merges.bin');

const endOfText = 50256;
const vocabSize = 50257;

let vocabulary: BytePairVocabulary | undefined;
let encoder: NativeBytePairEncoder | undefined;
let files: Readonly<Record<string, string>> | undefined;

/** Tokens 0 to 50255 and their merges; built once, on first use. */
export function gpt2(): BytePairVocabulary {
  vocabulary ??= readVocabulary();
  return vocabulary;
}

function readVocabulary(): BytePairVocabulary {
  // Single bytes in the order of the characters that stand for them.
  const bytes = [...printableByte.entries()].sort(([, a], [, b]) => (a < b ? -1 : 1));
  const tokens = bytes.map(([byte]) => Uint8Array.of(byte));
  const pairs = readFileSync(mergesFile);
  const merges: Merge[] = [];
  for (let at = 0; at < pairs.length; at += 4) {
    const [left, right] = [pairs.readUInt16LE(at), pairs.readUInt16LE(at + 2)];
    merges.push([left, right, tokens.length]);
    tokens.push(new Uint8Array(Buffer.concat([tokens[left]!, tokens[right]!])));
  }
  return { tokens, merges };
}

/** The tokenizer of GPT-2. */
export function createGpt2Tokenizer(): Tokenizer {
  const { tokens } = gpt2();
  encoder ??= createBytePairEncoder(gpt2());
  const encode = encoder.encode.bind(encoder);
  const tokenBytes = new TokenBytes('gpt2', [...tokens, Buffer.from(endOfTextContent)], endOfText);

  return {
    name: 'gpt2',
    vocabSize,
    endOfText,
    encode: (text) => nativeSync(() => encode(text)),
    decode: (tokens) => tokenBytes.decode(tokens),
    decoder: () => tokenBytes.decoder(),
    byteLength: (tokens) => tokenBytes.byteLength(tokens),
    cutPoint,
    files: gpt2Files,
    toJSON: () => ({ name: 'gpt2' }),
  };
}

function gpt2Files(): Readonly<Record<string, string>> {
  files ??= { [descriptionFileName]: descriptionFile({ name: 'gpt2' }), ...gpt2TokenizerFiles(gpt2()) };
  return files;
}
