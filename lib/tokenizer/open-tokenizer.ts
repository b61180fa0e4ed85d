// How a tokenizer is made from its description or from a checkpoint directory. burgeon_tokenizer.json, the file that names
// the tokenizer of a checkpoint, is read here and written by each of them through description.ts.

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { requireReadable, requireText } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { createBytesTokenizer } from './bytes.ts';
import { createCharsTokenizer } from './chars.ts';
import { checked } from './checked.ts';
import { descriptionFileName, parseDescription, sha256, type TokenizerDescription } from './description.ts';
import { createGpt2Tokenizer } from './gpt2.ts';
import { createHuggingFaceTokenizer } from './huggingface-tokenizer.ts';
import { isGpt2 } from './is-gpt2.ts';
import type { Tokenizer } from './tokenizer.ts';
import { asObject } from './tokenizer-json.ts';
import { readJson, readVocabularyFiles } from './vocabulary-files.ts';

/**
 * Makes the tokenizer that a description names.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when the description is not one; ERR_BURGEON_DATA when the files in it are
 *   damaged.
 */
export function createTokenizer(description: TokenizerDescription): Tokenizer {
  requireReadable('tokenizer', description);
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
 * too), or vocab.json with merges.txt. What is GPT-2's in all that it says becomes the gpt2 tokenizer.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no path; ERR_BURGEON_DATA when the files are missing or damaged.
 */
export async function readTokenizer(path: string): Promise<Tokenizer> {
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
  const files = await readVocabularyFiles(tokenizer);
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
  if (!own && isGpt2(files.contents)) return createTokenizer({ name: 'gpt2' });
  return checked(createHuggingFaceTokenizer({ name: 'huggingface', files: files.contents }, files.path));
}
