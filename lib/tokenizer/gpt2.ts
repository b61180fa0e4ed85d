// GPT-2's byte pair encoding: 50,256 byte strings and <|endoftext|>. The rank table (which byte strings are tokens, in
// the order they were learned) comes from the npm package gpt-tokenizer; splitting and merging are native
// (byte-pairs.ts), because its encoder takes quadratic time on long pieces (a minute for 400,000 letters without a space)
// and treats U+FEFF and U+0085 differently from the original. Ids equal those of transformers' GPT-2 tokenizer, whose
// files huggingface.ts writes.

import { createRequire } from 'node:module';
import type { NativeBytePairEncoder } from '../addon/binding.ts';
import { nativeSync } from '../addon/load.ts';
import { type BytePairVocabulary, createBytePairEncoder, recoverMerges } from './byte-pairs.ts';
import { descriptionFile, descriptionFileName } from './description.ts';
import { cutPoint } from './gpt2-pieces.ts';
import { endOfTextContent, gpt2TokenizerFiles, gpt2Vocabulary } from './huggingface.ts';
import { TokenBytes } from './token-bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

const require = createRequire(import.meta.url);

const endOfText = 50256;
const vocabSize = 50257;

let vocabulary: BytePairVocabulary | undefined;
let encoder: NativeBytePairEncoder | undefined;
let files: Readonly<Record<string, string>> | undefined;

/** Bytes of tokens 0 to 50255. */
export function gpt2Tokens(): Uint8Array[] {
  // Only where it is wanted: compiling the table takes longer than most commands.
  const { default: ranks } = require('gpt-tokenizer/bpeRanks/r50k_base') as {
    default: readonly (string | readonly number[])[];
  };
  const utf8 = new TextEncoder();
  return ranks.map((token) => (typeof token === 'string' ? utf8.encode(token) : Uint8Array.from(token)));
}

/** Built once, on first use: takes about 0.1 s. */
function gpt2(): BytePairVocabulary {
  vocabulary ??= recoverMerges(gpt2Tokens());
  return vocabulary;
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

/** True when token -> id entries, as in vocab.json, are exactly GPT-2's. */
export function isGpt2Vocabulary(entries: Record<string, unknown>): boolean {
  const own = gpt2Vocabulary(gpt2().tokens);
  return Object.keys(entries).length === own.size && [...own].every(([text, id]) => entries[text] === id);
}
