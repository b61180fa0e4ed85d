// Compares shards with the hashes of their manifest, in the background: a damaged shard holds valid tokens, and would train
// without a word.

import { BurgeonError } from '../errors.ts';
import type { TokenFile } from './token-file.ts';
import { storedAs } from './token-type.ts';

/** Data up to this size is checked in a fraction of a second: before anything is done with it. */
const smallBytes = 64 << 20;

/** A shard, and SHA-256 of its tokens as stored, which its manifest has. */
export interface HashedShard {
  file: TokenFile;
  sha256: string;
}

export class ShardCheck {
  readonly #abort = new AbortController();
  #failure: BurgeonError | undefined;
  #isDone = false;
  /** Settles when all shards are checked, when one has failed, or after `stop`; never rejects. */
  readonly done: Promise<void>;
  /** Whether it is worth waiting for before anything else. */
  readonly isSmall: boolean;

  /** Begins at once, with the first shard. */
  constructor(shards: readonly HashedShard[]) {
    const bytes = shards.reduce((sum, { file }) => sum + file.tokenCount * storedAs[file.type].bytes, 0);
    this.isSmall = bytes <= smallBytes;
    this.done = this.#run(shards).finally(() => {
      this.#isDone = true;
    });
  }

  /** What is wrong with a shard, as soon as it is known: ERR_BURGEON_DATA. */
  get failure(): BurgeonError | undefined {
    return this.#failure;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Waits for the end.
   * @throws {BurgeonError} ERR_BURGEON_DATA naming the shard that is not what was written.
   */
  async finish(): Promise<void> {
    await this.done;
    if (this.#failure) throw this.#failure;
  }

  /** Ends it; call before the files are closed. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.done;
  }

  async #run(shards: readonly HashedShard[]): Promise<void> {
    const { signal } = this.#abort;
    try {
      for (const { file, sha256 } of shards) requireHash(file.path, sha256, await file.hash(signal));
    } catch (error) {
      if (signal.aborted) return;
      this.#failure =
        error instanceof BurgeonError
          ? error
          : new BurgeonError('ERR_BURGEON_DATA', `the data cannot be checked (${(error as Error).message})`, {
              cause: error,
            });
    }
  }
}

function requireHash(path: string, expected: string, found: string): void {
  if (found === expected) return;
  const short = (hash: string) => `${hash.slice(0, 16)}...`;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected tokens with the SHA-256 ${short(expected)} that its manifest has, found ${short(found)}; the shard ` +
      'was damaged or replaced after it was written, restore it from a copy or prepare the data again',
  );
}
