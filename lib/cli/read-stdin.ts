// Standard input as text.

import process from 'node:process';
import { buffer } from 'node:stream/consumers';
import { BurgeonError } from '../errors.ts';

/**
 * All of it, without its last line break, which `echo` adds.
 * @param what it is, for who types it and for errors.
 * @throws {BurgeonError} ERR_BURGEON_DATA where it is not UTF-8.
 */
export async function readStdin(what: string): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(`type ${what}; Ctrl-D on a line of its own ends it\n`);
  const bytes = await buffer(process.stdin);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `standard input: expected ${what} in UTF-8, found other bytes`, {
      cause,
    });
  }
}
