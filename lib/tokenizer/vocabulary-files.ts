// The tokenizer files of a directory as transformers writes them: a tokenizer.json, or GPT-2's vocab.json and merges.txt, of which one
// is made; and what stands beside either.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { quote } from '../quote.ts';
import { huggingFaceFileNames } from './description.ts';
import { bytePairTokenizerFile } from './huggingface.ts';
import { asObject } from './tokenizer-json.ts';

export interface VocabularyFiles {
  /** The file with the vocabulary. */
  path: string;
  /** Name -> text, of huggingFaceFileNames. */
  contents: Record<string, string>;
}

/**
 * @param path of a tokenizer.json, which need not be there: then the files beside it count.
 * @returns undefined when neither is there.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a file cannot be read, is no JSON, or says what burgeon does not do.
 */
export async function readVocabularyFiles(path: string): Promise<VocabularyFiles | undefined> {
  const directory = dirname(path);
  const beside: Record<string, string> = {};
  for (const name of huggingFaceFileNames.slice(1)) {
    const text = await readText(join(directory, name));
    if (text !== undefined) beside[name] = text;
  }
  const added = asObject((await readJson(join(directory, 'added_tokens.json')))?.value);
  const tokenizer = await readText(path);
  if (tokenizer !== undefined) {
    checkHasAdded(tokenizer, added, path);
    return { path, contents: { 'tokenizer.json': tokenizer, ...beside } };
  }
  const vocab = await readJson(join(directory, 'vocab.json'));
  const merges = await readText(join(directory, 'merges.txt'));
  if (!vocab || merges === undefined) return undefined;
  const named = {
    ...parse(beside['special_tokens_map.json'], join(directory, 'special_tokens_map.json')),
    ...parse(beside['tokenizer_config.json'], join(directory, 'tokenizer_config.json')),
  };
  requireGpt2Class(named.tokenizer_class, join(directory, 'tokenizer_config.json'));
  const lines = merges.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  const file = bytePairTokenizerFile(asObject(vocab.value), lines, {
    addPrefixSpace: named.add_prefix_space === true,
    added,
    special: specialContents(named),
  });
  return { path: vocab.path, contents: { 'tokenizer.json': file, ...beside } };
}

/** How other classes split text is in their code, not in vocab.json and merges.txt. */
function requireGpt2Class(tokenizerClass: unknown, path: string): void {
  if ([undefined, null, 'GPT2Tokenizer', 'GPT2TokenizerFast'].includes(tokenizerClass as string)) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: tokenizer_class: expected GPT2Tokenizer beside vocab.json and merges.txt, found ${quote(tokenizerClass)}, ` +
      'which splits text in a way that these files do not say; make a tokenizer.json with AutoTokenizer and save_pretrained of ' +
      'transformers',
  );
}

function checkHasAdded(tokenizer: string, added: Readonly<Record<string, unknown>>, path: string): void {
  // A token without its quotes: what JSON escapes is looked for as it is written there.
  const missing = Object.keys(added).find((content) => !tokenizer.includes(JSON.stringify(content).slice(1, -1)));
  if (missing === undefined) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected the tokens of added_tokens.json beside it, found no ${JSON.stringify(missing)}; save the tokenizer again ` +
      'with save_pretrained of transformers, which adds them',
  );
}

/** Tokens that are named for a purpose; text is not searched for them. */
function specialContents(named: Readonly<Record<string, unknown>>): Set<string> {
  const values = Object.entries(named).flatMap(([key, value]) => (/_tokens?$/.test(key) ? [value].flat() : []));
  return new Set(values.map((value) => String(asObject(value).content ?? value)));
}

function parse(text: string | undefined, path: string): Record<string, unknown> {
  try {
    return asObject(parseJson(text ?? '{}'));
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: expected JSON, but ${(cause as Error).message}`, { cause });
  }
}

/** @returns undefined when there is no such file. */
export async function readJson(path: string): Promise<{ path: string; value: unknown } | undefined> {
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
