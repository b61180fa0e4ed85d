// How everything in this folder fails: one constructor for ERR_BURGEON_CHECKPOINT and one wrapper that turns a bare
// I/O error into one that says what was being done. Callers supply the rest of the message.

import { BurgeonError, isError } from '../errors.ts';

/** A BurgeonError with code ERR_BURGEON_CHECKPOINT. */
export function checkpointError(message: string, cause?: unknown): BurgeonError {
  return new BurgeonError('ERR_BURGEON_CHECKPOINT', message, cause === undefined ? {} : { cause });
}

/** Runs `work`; a failure that is not yet a BurgeonError becomes one whose message starts with `doing`. */
export async function explainFailure<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // Work that a signal stopped did not fail.
    if (cause instanceof BurgeonError || (cause as Error | null)?.name === 'AbortError') throw cause;
    const reason = isError(cause) ? cause.message : String(cause);
    const isFull = (cause as NodeJS.ErrnoException | null)?.code === 'ENOSPC';
    throw checkpointError(`${doing}: ${reason}${isFull ? ' (free some space and try again)' : ''}`, cause);
  }
}
