// How everything in this folder fails: one constructor for ERR_BURGEON_CHECKPOINT and one wrapper that turns a bare
// I/O error into one that says what was being done. Callers supply the rest of the message.

import { BurgeonError, isError } from '../errors.ts';
import { whatToDo } from '../files/explain-writing.ts';

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
    throw checkpointError(`${doing}: ${reason}`, cause);
  }
}

/**
 * The same of work that writes: what the file system refuses, in whatever part of the work, also comes with what to do, and what is left.
 * @param kept "earlier checkpoints are kept".
 */
export async function explainFailedWrite<T>(doing: string, kept: string, work: () => Promise<T>): Promise<T> {
  try {
    return await explainFailure(doing, work);
  } catch (error) {
    const refused = refusalIn(error);
    if (refused === undefined) throw error;
    const next = whatToDo(refused);
    throw checkpointError(`${doing}: ${refused.message}; ${next === undefined ? '' : `${next}; `}${kept}`, refused);
  }
}

/** What the file system has said, where that is behind an error. */
function refusalIn(error: unknown): Error | undefined {
  for (let cause = error; isError(cause); cause = cause.cause) if ('syscall' in cause) return cause;
  return undefined;
}
