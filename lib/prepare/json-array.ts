// A .json file that is one array of objects, as data sets are often exported: parsed as a whole, so limited in size. Files
// with an object per line are read line by line (documents.ts), whatever their name.

import { BurgeonError } from '../errors.ts';

/** UTF-16 units: half of the longest string of V8, and a few times that in memory when it is parsed. */
const maxLength = 1 << 28;

/** How to get on with a .json file that is neither an array nor lines. */
export const jsonFileAdvice =
  'a .json file is read as one object per line, or as one array of objects; make lines of anything else (jq -c), or rename it ' +
  'to .txt to have the JSON itself as text';

/**
 * Looks at what a file begins with.
 * @returns whether that is an array, and the text again, from its beginning.
 */
export async function peekArray(
  pieces: AsyncGenerator<string>,
): Promise<{ isArray: boolean; pieces: AsyncGenerator<string> }> {
  let head = '';
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    head += next.value;
    if (head.trim() !== '') break;
  }
  return { isArray: head.trimStart().startsWith('['), pieces: prepend(head, pieces) };
}

async function* prepend(head: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  try {
    yield head;
    yield* rest;
  } finally {
    // Where nobody reads on, the file is closed all the same.
    await rest.return(undefined);
  }
}

/**
 * The elements of the array.
 * @param most UTF-16 units.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the text is no array, or too long to be parsed as a whole.
 */
export async function parseArray(path: string, pieces: AsyncIterable<string>, most = maxLength): Promise<unknown[]> {
  const parts: string[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > most) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${path}: expected a JSON array of at most ${most} characters, found more; write one object per line instead: ` +
          "jq -c '.[]' file.json > file.jsonl",
      );
    }
    parts.push(piece);
  }
  try {
    return JSON.parse(parts.join('')) as unknown[];
  } catch (cause) {
    const message = (cause as Error).message.slice(0, 200);
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: expected a JSON array, but ${message}; ${jsonFileAdvice}`, {
      cause,
    });
  }
}
