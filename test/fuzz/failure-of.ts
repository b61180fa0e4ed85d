// What a trial may throw.

import { BurgeonError } from '../../lib/errors.ts';

/** What is wrong with an error; nothing with a BurgeonError that can be read. */
export function failureOf(error: unknown): string | undefined {
  if (!(error instanceof BurgeonError))
    return `not a BurgeonError: ${error instanceof Error ? error.stack : String(error)}`;
  if (error.message.length > 8200) return `a message of ${error.message.length} characters`;
  return undefined;
}
