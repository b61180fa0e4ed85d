// The one error class of burgeon. Every failure a caller can meet carries a stable code; the message names the thing,
// what was expected, what came, and what to do.

/** Stable error codes; safe to compare against. `docs/errors.md` lists when each occurs. */
export const errorCodes = [
  'ERR_BURGEON_CONFIG',
  'ERR_BURGEON_SHAPE',
  'ERR_BURGEON_DTYPE',
  'ERR_BURGEON_BUSY',
  'ERR_BURGEON_DISPOSED',
  'ERR_BURGEON_BACKEND',
  'ERR_BURGEON_OUT_OF_MEMORY',
  'ERR_BURGEON_CUDA',
  'ERR_BURGEON_NONFINITE',
  'ERR_BURGEON_DATA',
  'ERR_BURGEON_CHECKPOINT',
  'ERR_BURGEON_RANKS',
] as const;

export type BurgeonErrorCode = (typeof errorCodes)[number];

/** Characters of a message: it may quote names and values out of a file, of whatever length. */
const mostCharacters = 8000;

export class BurgeonError extends Error {
  override readonly name = 'BurgeonError';
  readonly code: BurgeonErrorCode;

  constructor(code: BurgeonErrorCode, message: string, options?: { cause?: unknown }) {
    super(shortened(message), options);
    this.code = code;
  }
}

/**
 * Whether a value is an error. Under Jest, and wherever else a program runs in a realm of its own, errors of Node and of the addon are of
 * another realm: `instanceof Error` says no to them.
 */
export function isError(value: unknown): value is Error {
  return value instanceof Error || /^\[object (Error|DOMException)\]$/.test(Object.prototype.toString.call(value));
}

function shortened(message: string): string {
  if (message.length <= mostCharacters) return message;
  const half = mostCharacters / 2;
  const left = message.length - mostCharacters;
  return `${message.slice(0, half)} ... (${left} characters) ... ${message.slice(-half)}`;
}
