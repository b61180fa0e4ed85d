// All tokens of a source in order, block by block. One block at a time is in memory.

import type { TokenSource } from './token-source.ts';

/** Tokens read at once. */
const blockTokens = 1 << 20;

export interface ReadBlocksOptions {
  /** Ends the reading between two blocks, with what it was aborted with. */
  signal?: AbortSignal | undefined;
  /** Told how many tokens were read, after every block. */
  onRead?: ((tokens: number) => void) | undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when tokens cannot be read or are outside the vocabulary. */
export async function* readBlocks(
  source: TokenSource,
  { signal, onRead }: ReadBlocksOptions = {},
): AsyncGenerator<{ start: number; tokens: Int32Array }> {
  for (let start = 0; start < source.tokenCount; start += blockTokens) {
    signal?.throwIfAborted();
    const tokens = await source.readTokens(start, Math.min(blockTokens, source.tokenCount - start));
    yield { start, tokens };
    onRead?.(tokens.length);
  }
}
