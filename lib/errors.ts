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
] as const;

export type BurgeonErrorCode = (typeof errorCodes)[number];

export class BurgeonError extends Error {
  override readonly name = 'BurgeonError';
  readonly code: BurgeonErrorCode;

  constructor(code: BurgeonErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
