// The description of a tokenizer: the plain data that stands in data manifests and in burgeon_tokenizer.json.
// Checks it and writes it; making a tokenizer from it is tokenizer.ts.

import { createHash } from 'node:crypto';
import { BurgeonError, type BurgeonErrorCode } from '../errors.ts';
import { quote } from '../quote.ts';

/**
 * Enough to make a tokenizer again; characters[i] is the character of token i, one Unicode code point each; `files` has
 * the text of tokenizer.json and, where there are such, of the other files of huggingFaceFileNames.
 */
export type TokenizerDescription =
  | { name: 'gpt2' }
  | { name: 'bytes' }
  | { name: 'chars'; characters: string[] }
  | { name: 'huggingface'; files: Record<string, string> };

/** What a huggingface description has in `files`; the first has to be there. */
export const huggingFaceFileNames = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
] as const;

/** burgeon's own tokenizer file in a checkpoint directory. */
export const descriptionFileName = 'burgeon_tokenizer.json';

/**
 * The content of burgeon_tokenizer.json. A huggingface tokenizer has its files beside it, so it is only told apart from
 * others there.
 */
export function descriptionFile(description: TokenizerDescription): string {
  const { name } = description;
  const content = name === 'huggingface' ? { name, sha256: sha256(description.files['tokenizer.json']!) } : description;
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Lower-case hex SHA-256 of a text as UTF-8. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Checks that a value read from outside is a description, and nothing else: a misspelt key would change what is encoded.
 * @param code   error code to throw with, as the value may come from a file (DATA) or from a caller (CONFIG).
 * @param source what the value is or where it comes from, for the message.
 * @throws {BurgeonError} with the given code.
 */
export function parseDescription(value: unknown, code: BurgeonErrorCode, source: string): TokenizerDescription {
  const { name, characters, files } = (value ?? {}) as { name?: unknown; characters?: unknown; files?: unknown };
  const requireKeys = (...keys: string[]) => {
    const unknown = Object.keys(value as object).find((key) => key !== 'name' && !keys.includes(key));
    if (unknown === undefined) return;
    throw new BurgeonError(
      code,
      `${source}: expected ${['name', ...keys].join(' and ')} of a ${name} tokenizer, received also ${quote(unknown)}`,
    );
  };
  switch (name) {
    case 'gpt2':
    case 'bytes':
      requireKeys();
      return { name };
    case 'chars': {
      requireKeys('characters');
      const problem = charactersProblem(characters);
      if (problem) throw new BurgeonError(code, `${source}: characters: ${problem}`);
      return { name, characters: characters as string[] };
    }
    case 'huggingface':
      requireKeys('files');
      return { name, files: parseFiles(files, code, source) };
    default:
      throw new BurgeonError(
        code,
        `${source}: expected { name: 'gpt2' }, { name: 'bytes' }, { name: 'chars', characters: [...] } or ` +
          `{ name: 'huggingface', files: {...} }, received name ${quote(name)}`,
      );
  }
}

function parseFiles(files: unknown, code: BurgeonErrorCode, source: string): Record<string, string> {
  const names: readonly string[] = huggingFaceFileNames;
  const unknown = Object.keys(files ?? {}).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new BurgeonError(
      code,
      `${source}: files: expected names among ${names.join(', ')}, received ${quote(unknown)}`,
    );
  }
  const known: Record<string, string> = {};
  for (const name of huggingFaceFileNames) {
    const text = (files as Record<string, unknown> | undefined | null)?.[name];
    if (typeof text === 'string') known[name] = text;
  }
  if (known['tokenizer.json'] !== undefined) return known;
  throw new BurgeonError(code, `${source}: files: expected an object with the text of tokenizer.json, found none`);
}

/** One code point, and not a surrogate without its partner, which is no character. */
const oneCodePoint = /^\P{Surrogate}$/su;

function charactersProblem(characters: unknown): string | undefined {
  if (!Array.isArray(characters) || characters.length === 0) {
    return 'expected a list of at least one character';
  }
  const firstAt = new Map<string, number>();
  for (const [token, character] of characters.entries()) {
    if (typeof character !== 'string' || !oneCodePoint.test(character)) {
      return `expected one Unicode code point per token, received ${quote(character)} for token ${token}`;
    }
    const earlier = firstAt.get(character);
    if (earlier !== undefined) {
      return `expected distinct characters, received ${JSON.stringify(character)} for tokens ${earlier} and ${token}`;
    }
    firstAt.set(character, token);
  }
  return undefined;
}
