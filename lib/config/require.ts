// What callers pass to public functions: each function throws an ERR_BURGEON_CONFIG that names the argument, what was
// expected and what came. Typed callers never see them; the others get more than a TypeError from inside.

import { BurgeonError } from '../errors.ts';
import { quote } from '../quote.ts';

/** Levels and entries of an argument that are looked at. */
const [mostLevels, mostEntries] = [4, 1000];

/**
 * Reading an argument may run code of the caller's, a getter or a proxy that throws. What reads many of its fields looks first, so that
 * nothing has been begun then.
 */
export function requireReadable(name: string, value: unknown): void {
  try {
    read(value, mostLevels);
  } catch (cause) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${name}: expected what can be read, received what throws when it is`,
      {
        cause,
      },
    );
  }
}

function read(value: unknown, levels: number): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  // A proxy that throws does so whatever it is asked.
  Object.getPrototypeOf(value);
  void (value as { readable?: unknown }).readable;
  const fields = value as Record<string, unknown>;
  const keys = Array.isArray(value)
    ? [...value.slice(0, mostEntries).keys()]
    : Object.keys(value).slice(0, mostEntries);
  for (const key of keys) {
    const item = fields[key];
    if (levels > 1) read(item, levels - 1);
  }
}

/** Anything but a plain object, for example targets in the place of options, would read as if no option was given. */
export function requireObject(name: string, value: unknown, expected = 'an object'): void {
  requireReadable(name, value);
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && !Array.isArray(value) && !ArrayBuffer.isView(value)) return;
  throw wrong(name, expected, value);
}

/** @param expected what the text is, such as "the path of a directory". */
export function requireText(name: string, value: unknown, expected = 'a string'): void {
  if (typeof value !== 'string' || value === '') throw wrong(name, expected, value);
}

export function requireTexts(name: string, value: unknown): void {
  requireReadable(name, value);
  if (!Array.isArray(value)) throw wrong(name, 'a list of strings', value);
  for (const [i, item] of value.entries()) requireText(`${name}[${i}]`, item);
}

export function requireInteger(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const isOpen = most === Number.MAX_SAFE_INTEGER;
  throw wrong(name, isOpen ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`, value);
}

export function requireFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrong(name, 'a function', value);
}

export function requireSignal(name: string, value: unknown): void {
  if (!isSignal(value)) throw wrong(name, 'an AbortSignal', value);
}

/** By its tag: a test runner's realm has an AbortSignal of its own. */
function isSignal(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AbortSignal]';
}

/** As `require...`, where the value is given. */
export function optional(check: (name: string, value: unknown) => void, name: string, value: unknown): void {
  if (value !== undefined) check(name, value);
}

export function wrong(name: string, expected: string, value: unknown): BurgeonError {
  return new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected ${expected}, received ${quote(value)}`);
}
