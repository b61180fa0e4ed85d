// The description of a tokenizer: the plain data that stands in data manifests and in burgeon_tokenizer.json.
// Checks it and writes it; making a tokenizer from it is tokenizer.ts.

import { BurgeonError, type BurgeonErrorCode } from '../errors.ts';

/** Enough to make a tokenizer again; characters[i] is the character of token i, one Unicode code point each. */
export type TokenizerDescription = { name: 'gpt2' } | { name: 'bytes' } | { name: 'chars'; characters: string[] };

/** burgeon's own tokenizer file in a checkpoint directory. */
export const descriptionFileName = 'burgeon_tokenizer.json';

/** The content of burgeon_tokenizer.json. */
export function descriptionFile(description: TokenizerDescription): string {
  return `${JSON.stringify(description, null, 2)}\n`;
}

/**
 * Checks that a value read from outside is a description, and drops everything that does not belong to it.
 * @param code   error code to throw with, as the value may come from a file (DATA) or from a caller (CONFIG).
 * @param source what the value is or where it comes from, for the message.
 * @throws {BurgeonError} with the given code.
 */
export function parseDescription(value: unknown, code: BurgeonErrorCode, source: string): TokenizerDescription {
  const { name, characters } = (value ?? {}) as { name?: unknown; characters?: unknown };
  switch (name) {
    case 'gpt2':
    case 'bytes':
      return { name };
    case 'chars': {
      const problem = charactersProblem(characters);
      if (problem) throw new BurgeonError(code, `${source}: characters: ${problem}`);
      return { name, characters: characters as string[] };
    }
    default:
      throw new BurgeonError(
        code,
        `${source}: expected { name: 'gpt2' }, { name: 'bytes' } or { name: 'chars', characters: [...] }, ` +
          `received name ${JSON.stringify(name) ?? 'undefined'}`,
      );
  }
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
      return `expected one Unicode code point per token, received ${JSON.stringify(character)} for token ${token}`;
    }
    const earlier = firstAt.get(character);
    if (earlier !== undefined) {
      return `expected distinct characters, received ${JSON.stringify(character)} for tokens ${earlier} and ${token}`;
    }
    firstAt.set(character, token);
  }
  return undefined;
}
