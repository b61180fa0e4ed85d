// What every tokenizer offers, how one is described in a file, and how one is made from its description or from a
// checkpoint directory. The tokenizers themselves are gpt2.ts, bytes.ts and chars.ts; burgeon_tokenizer.json, the file
// that names the tokenizer of a checkpoint, is read here and written by each of them through description.ts.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { createBytesTokenizer } from './bytes.ts';
import { createCharsTokenizer } from './chars.ts';
import { descriptionFileName, parseDescription, type TokenizerDescription } from './description.ts';
import { createGpt2Tokenizer, isGpt2Vocabulary } from './gpt2.ts';

export type { TokenizerDescription } from './description.ts';

/** Turns tokens into text one at a time; bytes of an unfinished UTF-8 sequence wait for the rest. */
export interface TokenDecoder {
  /**
   * @returns the text that has become complete with this token, often but not always one token's worth.
   * @throws {BurgeonError} ERR_BURGEON_DATA when the token is not in the vocabulary.
   */
  push(token: number): string;
  /** @returns what is left: U+FFFD for an unfinished sequence, otherwise nothing. The decoder can be used again. */
  end(): string;
}

/** Text to tokens and back. Tokenizers hold no state that a call changes, apart from caches. */
export interface Tokenizer {
  readonly name: TokenizerDescription['name'];
  /** V: tokens are 0 to V - 1. */
  readonly vocabSize: number;
  /** The token that separates documents, where the vocabulary has one. */
  readonly endOfText: number | undefined;
  /**
   * Encodes ordinary text: the characters of a special token, for instance "<|endoftext|>", get no special treatment.
   * Surrogates without a partner count as U+FFFD.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a character that a chars vocabulary lacks.
   */
  encode(text: string): Int32Array;
  /**
   * Text of the tokens; bytes that are not UTF-8 become U+FFFD.
   * @throws {BurgeonError} ERR_BURGEON_DATA when a token is not in the vocabulary.
   */
  decode(tokens: ArrayLike<number>): string;
  /** A streaming `decode`: the pieces joined, with `end()` at the end, are what `decode` returns. */
  decoder(): TokenDecoder;
  /**
   * Number of UTF-8 bytes that the tokens stand for, endOfText counting as none: what turns nats per token into bits
   * per byte.
   * @throws {BurgeonError} ERR_BURGEON_DATA when a token is not in the vocabulary.
   */
  byteLength(tokens: ArrayLike<number>): number;
  /**
   * The last position at which the text can be cut without changing a token, whatever follows it: encode(text + more)
   * is encode(text.slice(0, p)) followed by encode(text.slice(p) + more). 0 when there is none.
   * @param after places up to this one need not be considered, 0 unless given.
   */
  cutPoint(text: string, after?: number): number;
  /** Files that make a checkpoint directory self-contained: name -> UTF-8 content. Computed once. */
  files(): Readonly<Record<string, string>>;
  /** What `createTokenizer` needs to make this tokenizer again. */
  toJSON(): TokenizerDescription;
}

/**
 * Makes the tokenizer that a description names.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when the description is not one.
 */
export function createTokenizer(description: TokenizerDescription): Tokenizer {
  const checked = parseDescription(description, 'ERR_BURGEON_CONFIG', 'tokenizer');
  switch (checked.name) {
    case 'gpt2':
      return createGpt2Tokenizer();
    case 'bytes':
      return createBytesTokenizer();
    case 'chars':
      return createCharsTokenizer(checked.characters);
  }
}

/**
 * Reads the tokenizer of a checkpoint directory: burgeon_tokenizer.json, or else Hugging Face files that hold exactly
 * GPT-2's vocabulary (vocab.json with merges.txt, or tokenizer.json).
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files are missing, damaged, or those of another tokenizer.
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const own = await readJson(join(directory, descriptionFileName));
  if (own) return createTokenizer(parseDescription(own.value, 'ERR_BURGEON_DATA', own.path));

  const vocabulary = await readHuggingFaceVocabulary(directory);
  if (!vocabulary) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${directory}: expected a tokenizer (${descriptionFileName}, or GPT-2's vocab.json and merges.txt, or its ` +
        'tokenizer.json), found none of these files; copy the tokenizer files of the model into this directory',
    );
  }
  if (!isGpt2Vocabulary(vocabulary.entries)) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${vocabulary.path}: expected GPT-2's vocabulary of 50257 tokens with its ids, found another one of ` +
        `${Object.keys(vocabulary.entries).length} tokens; supported are GPT-2's byte pair encoding, and ` +
        "burgeon's bytes and chars tokenizers",
    );
  }
  return createGpt2Tokenizer();
}

interface Vocabulary {
  path: string;
  entries: Record<string, unknown>;
}

/** Token -> id of Hugging Face tokenizer files; undefined when there are none. */
async function readHuggingFaceVocabulary(directory: string): Promise<Vocabulary | undefined> {
  const vocab = await readJson(join(directory, 'vocab.json'));
  if (vocab && (await readText(join(directory, 'merges.txt'))) !== undefined) {
    return { path: vocab.path, entries: asObject(vocab.value) };
  }
  const tokenizer = await readJson(join(directory, 'tokenizer.json'));
  if (!tokenizer) return undefined;
  return { path: tokenizer.path, entries: asObject(asObject(asObject(tokenizer.value).model).vocab) };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

async function readJson(path: string): Promise<{ path: string; value: unknown } | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return { path, value: JSON.parse(text) };
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: expected JSON, but ${(cause as Error).message}`, { cause });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${message})`, { cause });
  }
}
