// What of a tokenizer.json burgeon does not do is refused by name: no part of it is passed over.

import { BurgeonError } from '../../errors.ts';

/** A part of a tokenizer.json: an object with a `type`. */
export type Part = Readonly<Record<string, unknown>>;

/**
 * @param what the key and what it holds, for instance `pre_tokenizer "UnicodeScripts"`.
 * @param hint the next step, where there is a better one than to ask for it.
 */
export function unsupported(what: string, hint = 'use another tokenizer'): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_DATA',
    `this kind of tokenizer cannot be used (${what} is not supported); ${hint}`,
  );
}

/** The `type` of a part, for messages and switches. */
export function typeOf(part: Part): string {
  return String(part.type);
}

/** A text field. @throws {BurgeonError} ERR_BURGEON_DATA when it is there and no text. */
export function textField(part: Part, key: string, fallback: string): string {
  const value = part[key] ?? fallback;
  if (typeof value === 'string') return value;
  throw unsupported(`${typeOf(part)} with ${key} ${JSON.stringify(value)}`);
}

/** A whole number from `least`. @throws {BurgeonError} ERR_BURGEON_DATA when it is there and none. */
export function countField(part: Part, key: string, fallback: number, least = 0): number {
  const value = part[key] ?? fallback;
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw unsupported(`${typeOf(part)} with ${key} ${JSON.stringify(value)}`);
}
