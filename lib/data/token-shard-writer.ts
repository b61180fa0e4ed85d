// Writing token shards in llm.c's uint16 format (see token-file.ts), one token stream over as many files as it takes.
// A file gets its name only when it is complete; gathering a whole data set is prepare.ts.

import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { llmcHeaderBytes, llmcUint16Magic } from './token-file.ts';

/** llm.c's default. Its reader needs shards below 2 GiB, and fewer than 2^31 tokens fit the header. */
const defaultShardTokens = 100_000_000;
const maxShardTokens = (2 ** 31 - llmcHeaderBytes) / 2 - 1;

/** Beginning of the file names, unless given. */
export const defaultShardName = 'data';

/** Bytes gathered before a write. */
const bufferBytes = 1 << 20;

export interface TokenShardWriterOptions {
  /** An existing directory. */
  directory: string;
  /** Shards are named `<name>_<split>_<index, six digits>.bin`. */
  name: string;
  split: 'train' | 'val';
  /** V, at most 65536. */
  vocabSize: number;
  /** Tokens per shard, 100 million unless given. */
  shardTokens?: number | undefined;
}

/**
 * Checks a name and a shard size.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when a file name cannot begin so, or a shard cannot be so large.
 */
export function requireShardOptions(options: { name?: string | undefined; shardTokens?: number | undefined }): void {
  const { name = defaultShardName, shardTokens = defaultShardTokens } = options;
  if (!Number.isInteger(shardTokens) || shardTokens < 1 || shardTokens > maxShardTokens) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `shardTokens: expected an integer from 1 to ${maxShardTokens} (a shard of 2 GiB), received ${shardTokens}`,
    );
  }
  if (!/^\w[\w.-]*$/.test(name)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `name: expected letters, digits, "_", "." and "-", as it begins file names, received ${JSON.stringify(name)}`,
    );
  }
}

/** Streams tokens into shards. One call at a time: await each before the next. */
export class TokenShardWriter {
  readonly #options: TokenShardWriterOptions;
  readonly #shardTokens: number;
  readonly #files: string[] = [];
  readonly #buffer = Buffer.alloc(bufferBytes);
  #buffered = 0;
  #tokenCount = 0;
  #shard: { handle: FileHandle; path: string; tokenCount: number } | undefined;

  /**
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a vocabulary that uint16 cannot hold, or a bad name or shard size.
   */
  constructor(options: TokenShardWriterOptions) {
    const { vocabSize, shardTokens = defaultShardTokens } = options;
    if (!Number.isInteger(vocabSize) || vocabSize < 1 || vocabSize > 65536) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `vocabSize: expected an integer from 1 to 65536, as shards hold tokens of 16 bits, received ${vocabSize}`,
      );
    }
    requireShardOptions(options);
    this.#options = options;
    this.#shardTokens = shardTokens;
  }

  /** Tokens written so far. */
  get tokenCount(): number {
    return this.#tokenCount;
  }

  /** @throws {BurgeonError} ERR_BURGEON_DATA for a token outside the vocabulary or a failed write. */
  async write(tokens: ArrayLike<number>): Promise<void> {
    const { vocabSize } = this.#options;
    for (let i = 0; i < tokens.length; ) {
      if (!this.#shard) await this.#openShard();
      const shard = this.#shard!;
      const room = Math.min((bufferBytes - this.#buffered) / 2, this.#shardTokens - shard.tokenCount);
      const end = Math.min(tokens.length, i + room);
      shard.tokenCount += end - i;
      for (; i < end; i++) {
        const token = tokens[i]!;
        if (!(token >= 0 && token < vocabSize)) {
          throw new BurgeonError(
            'ERR_BURGEON_DATA',
            `token ${token} at position ${this.#tokenCount}: expected 0 to ${vocabSize - 1}, the vocabulary`,
          );
        }
        this.#buffered = this.#buffer.writeUInt16LE(token, this.#buffered);
        this.#tokenCount++;
      }
      if (this.#buffered === bufferBytes) await this.#flush();
      if (shard.tokenCount === this.#shardTokens) await this.#closeShard();
    }
  }

  /** Completes the last shard. @returns names of all shards, in order. */
  async end(): Promise<string[]> {
    if (this.#shard) await this.#closeShard();
    return this.#files;
  }

  /** Gives up: removes the unfinished shard and leaves the finished ones. */
  async abort(): Promise<void> {
    const shard = this.#shard;
    this.#shard = undefined;
    if (!shard) return;
    await shard.handle.close();
    await rm(temporary(shard.path), { force: true });
  }

  async #openShard(): Promise<void> {
    const { directory, name, split } = this.#options;
    const path = join(directory, `${name}_${split}_${String(this.#files.length).padStart(6, '0')}.bin`);
    await this.#attempt(path, async () => {
      const handle = await open(temporary(path), 'w');
      this.#shard = { handle, path, tokenCount: 0 };
      // The space of the header; what it says is known at the end.
      await handle.write(Buffer.alloc(llmcHeaderBytes));
    });
  }

  async #flush(): Promise<void> {
    const { handle, path } = this.#shard!;
    await this.#attempt(path, async () => {
      for (let at = 0; at < this.#buffered; ) {
        at += (await handle.write(this.#buffer, at, this.#buffered - at)).bytesWritten;
      }
    });
    this.#buffered = 0;
  }

  async #closeShard(): Promise<void> {
    await this.#flush();
    const { handle, path, tokenCount } = this.#shard!;
    const header = Buffer.alloc(llmcHeaderBytes);
    for (const [i, value] of [llmcUint16Magic, 1, tokenCount].entries()) header.writeInt32LE(value, 4 * i);
    await this.#attempt(path, async () => {
      await handle.write(header, 0, header.length, 0);
      // On the disk before it has its name, so that a name always means a whole file.
      await handle.sync();
      await handle.close();
      await rename(temporary(path), path);
    });
    this.#files.push(basename(path));
    this.#shard = undefined;
  }

  async #attempt(path: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be written (${(cause as Error).message})`, { cause });
    }
  }
}

function temporary(path: string): string {
  return `${path}.partial`;
}
