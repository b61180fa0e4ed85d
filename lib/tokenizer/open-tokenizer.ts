// How a tokenizer is made from its description or from a checkpoint directory. burgeon_tokenizer.json, the file that names
// the tokenizer of a checkpoint, is read here and written by each of them through description.ts.

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { requireText } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { createBytesTokenizer } from './bytes.ts';
import { createCharsTokenizer } from './chars.ts';
import { checked } from './checked.ts';
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
import type { Tokenizer } from './tokenizer.ts';
import { asObject } from './tokenizer-json.ts';

/**
 * Makes the tokenizer that a description names.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when the description is not one; ERR_BURGEON_DATA when the files in it are
 *   damaged.
 */
export function createTokenizer(description: TokenizerDescription): Tokenizer {
  return checked(make(parseDescription(description, 'ERR_BURGEON_CONFIG', 'tokenizer')));
}

function make(description: TokenizerDescription): Tokenizer {
  switch (description.name) {
    case 'gpt2':
      return createGpt2Tokenizer();
    case 'bytes':
      return createBytesTokenizer();
    case 'chars':
      return createCharsTokenizer(description.characters);
    case 'huggingface':
      return createHuggingFaceTokenizer(description, 'tokenizer.json');
  }
}

/**
 * Reads the tokenizer of a directory: burgeon_tokenizer.json, or else Hugging Face's tokenizer.json (its path will do,
 * too), or vocab.json with merges.txt. What holds exactly GPT-2's vocabulary becomes the gpt2 tokenizer.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no path; ERR_BURGEON_DATA when the files are missing or damaged.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  requireText('path', path, 'the path of a tokenizer');
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
  if (!own && isGpt2File(text)) return createTokenizer({ name: 'gpt2' });
  return checked(createHuggingFaceTokenizer({ name: 'huggingface', files: files.contents }, files.path));
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
    return isGpt2Vocabulary(asObject(asObject(asObject(parseJson(text)).model).vocab));
  } catch {
    return false;
  }
}

async function readJson(path: string): Promise<{ path: string; value: unknown } | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return { path, value: parseJson(text) };
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
