// What every tokenizer offers, how one is described in a file, and how one is made from its description or from a
// checkpoint directory. The tokenizers themselves are gpt2.ts, bytes.ts, chars.ts and huggingface-tokenizer.ts;
// burgeon_tokenizer.json, the file that names the tokenizer of a checkpoint, is read here and written by each of them
// through description.ts.

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { createBytesTokenizer } from './bytes.ts';
import { createCharsTokenizer } from './chars.ts';
import {
  descriptionFileName,
  huggingFaceFileNames,
  parseDescription,
  sha256,
  type TokenizerDescription,
} from './description.ts';
import { createGpt2Tokenizer, isGpt2Vocabulary } from './gpt2.ts';
import { bytePairTokenizerFile } from './huggingface.ts';
import { createHuggingFaceTokenizer } from './huggingface-tokenizer.ts';
import { asObject } from './tokenizer-json.ts';

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

/** The part of a tokenizer that turns text into tokens and back. */
export type TokenizerCore = Pick<Tokenizer, 'encode' | 'decode' | 'decoder' | 'byteLength' | 'cutPoint'>;

/**
 * Makes the tokenizer that a description names.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when the description is not one; ERR_BURGEON_DATA when the files in it are
 *   damaged.
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
    case 'huggingface':
      return createHuggingFaceTokenizer(checked, 'tokenizer.json');
  }
}

/**
 * Reads the tokenizer of a directory: burgeon_tokenizer.json, or else Hugging Face's tokenizer.json (its path will do,
 * too), or vocab.json with merges.txt. What holds exactly GPT-2's vocabulary becomes the gpt2 tokenizer.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files are missing or damaged.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const isFile = await stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
  const directory = isFile ? dirname(path) : path;
  const own = await readJson(join(directory, descriptionFileName));
  const isOwn = own && asObject(own.value).name !== 'huggingface';
  if (isOwn) return createTokenizer(parseDescription(own.value, 'ERR_BURGEON_DATA', own.path));

  const tokenizer = isFile ? path : join(directory, 'tokenizer.json');
  const files = (await readHuggingFaceFiles(directory, tokenizer)) ?? (await readGpt2Files(directory));
  if (!files) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected a tokenizer (${descriptionFileName}, or Hugging Face's tokenizer.json, or vocab.json and ` +
        'merges.txt), found none of these files; copy the tokenizer files of the model into this directory',
    );
  }
  const text = files.contents['tokenizer.json']!;
  if (own && asObject(own.value).sha256 !== sha256(text)) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${files.path}: expected the file that ${own.path} names (by its SHA-256), found another; restore it, or delete ` +
        `${descriptionFileName} to use it as it is`,
    );
  }
  if (!own && isGpt2File(text)) return createGpt2Tokenizer();
  return createHuggingFaceTokenizer({ name: 'huggingface', files: files.contents }, files.path);
}

interface HuggingFaceFiles {
  /** The file with the vocabulary. */
  path: string;
  /** Name -> text. */
  contents: Record<string, string>;
}

async function readHuggingFaceFiles(directory: string, path: string): Promise<HuggingFaceFiles | undefined> {
  const tokenizer = await readText(path);
  if (tokenizer === undefined) return undefined;
  const contents: Record<string, string> = { 'tokenizer.json': tokenizer };
  for (const name of huggingFaceFileNames.slice(1)) {
    const text = await readText(join(directory, name));
    if (text !== undefined) contents[name] = text;
  }
  return { path, contents };
}

/** vocab.json and merges.txt, as tokenizer.json says the same. */
async function readGpt2Files(directory: string): Promise<HuggingFaceFiles | undefined> {
  const vocab = await readJson(join(directory, 'vocab.json'));
  const merges = await readText(join(directory, 'merges.txt'));
  if (!vocab || merges === undefined) return undefined;
  const lines = merges.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  const contents = { 'tokenizer.json': bytePairTokenizerFile(asObject(vocab.value), lines) };
  return { path: vocab.path, contents };
}

function isGpt2File(text: string): boolean {
  try {
    return isGpt2Vocabulary(asObject(asObject(asObject(JSON.parse(text)).model).vocab));
  } catch {
    return false;
  }
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
