// Where a document is in the tokens of a split. Token shards have no index of documents: the token that stands before each
// tells them apart, so they are counted from the beginning.

import { BurgeonError } from '../errors.ts';
import type { DataManifest, SplitManifest } from './manifest.ts';
import { type ReadBlocksOptions, readBlocks } from './read-blocks.ts';
import type { TokenSource, TokenSpan } from './token-source.ts';

/** Whether documents can be told apart in the tokens: by a token between them, or because there is only one. */
export function hasBoundaries({ delimiter }: Pick<DataManifest, 'delimiter'>, { documents }: SplitManifest): boolean {
  return delimiter !== null || documents === 1;
}

/**
 * The tokens of a document, without the one that stands before it.
 * @param number    of the document, from 1.
 * @param delimiter stands before every document; null where the split is one document.
 * @throws {BurgeonError} ERR_BURGEON_DATA where there is no such document, and when tokens cannot be read.
 */
export async function findDocument(
  source: TokenSource,
  number: number,
  delimiter: number | null,
  options: ReadBlocksOptions = {},
): Promise<TokenSpan> {
  if (delimiter === null && number === 1) return { start: 0, count: source.tokenCount };
  let seen = 0;
  let begin: number | undefined;
  for await (const { start, tokens } of delimiter === null ? [] : readBlocks(source, options)) {
    // The second part of a document that was cut in two has none before it.
    if (start === 0 && tokens[0] !== delimiter && ++seen === number) begin = 0;
    for (let at = tokens.indexOf(delimiter!); at >= 0; at = tokens.indexOf(delimiter!, at + 1)) {
      if (begin !== undefined) return { start: begin, count: start + at - begin };
      if (++seen === number) begin = start + at + 1;
    }
  }
  if (begin !== undefined) return { start: begin, count: source.tokenCount - begin };
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `document ${number}: expected a number from 1 to ${delimiter === null ? 1 : seen}, the documents in these tokens`,
  );
}
