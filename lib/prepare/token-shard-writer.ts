// Writing token shards in llm.c's formats (see token-layout.ts), 16 bits per token where the vocabulary fits and 32
// otherwise; one token stream over as many files as it takes, hashed on the way. A file gets its name only when it is
// complete. A stream can be taken up again at any token that is on disk; gathering a whole data set is prepare.ts.

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { llmcHeaderBytes, llmcUint16, llmcUint32 } from '../data/token-layout.ts';
import { BurgeonError, isError } from '../errors.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { isMissing } from '../files/is-missing.ts';
import { quote } from '../quote.ts';

/** llm.c's default. Its reader needs shards below 2 GiB, and fewer than 2^31 tokens fit the header. */
const defaultShardTokens = 100_000_000;

/** Beginning of the file names, unless given. */
export const defaultShardName = 'data';

/** Bytes gathered before a write. */
const bufferBytes = 1 << 20;

/** Tokens are read into signed 32-bit integers. */
const maxVocabSize = 2 ** 31;

export interface TokenShardWriterOptions {
  /** An existing directory. */
  directory: string;
  /** Shards are named `<name>_<split>_<index, six digits>.bin`. */
  name: string;
  split: 'train' | 'val';
  /** V, at most 2^31. */
  vocabSize: number;
  /** Tokens per shard, 100 million unless given. */
  shardTokens?: number | undefined;
}

/**
 * Checks a name and a shard size.
 * @param options.vocabSize decides how many bytes a token takes; 2 unless given.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when a file name cannot begin so, or a shard cannot be so large.
 */
export function requireShardOptions(options: {
  name?: string | undefined;
  shardTokens?: number | undefined;
  vocabSize?: number | undefined;
}): void {
  const { name = defaultShardName, shardTokens = defaultShardTokens, vocabSize = 1 } = options;
  const maxShardTokens = Math.floor((2 ** 31 - llmcHeaderBytes) / formatOf(vocabSize).tokenBytes) - 1;
  if (!Number.isInteger(shardTokens) || shardTokens < 1 || shardTokens > maxShardTokens) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `shardTokens: expected an integer from 1 to ${maxShardTokens} (a shard of 2 GiB), received ${quote(shardTokens)}`,
    );
  }
  if (typeof name !== 'string' || !/^\w[\w.-]*$/.test(name)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `name: expected letters, digits, "_", "." and "-", as it begins file names, received ${quote(name)}`,
    );
  }
}

function formatOf(vocabSize: number): typeof llmcUint16 | typeof llmcUint32 {
  return vocabSize <= 65536 ? llmcUint16 : llmcUint32;
}

/** Streams tokens into shards. One call at a time: await each before the next. */
export class TokenShardWriter {
  readonly #options: TokenShardWriterOptions;
  readonly #shardTokens: number;
  readonly #format: typeof llmcUint16 | typeof llmcUint32;
  readonly #buffer = new DataView(new ArrayBuffer(bufferBytes));
  #buffered = 0;
  #tokenCount = 0;
  /** Of the complete shards. */
  #hashes: string[] = [];
  #shard: { handle: FileHandle; path: string; tokenCount: number; hash: Hash } | undefined;

  /** @throws {BurgeonError} ERR_BURGEON_CONFIG for a bad vocabulary, name or shard size. */
  constructor(options: TokenShardWriterOptions) {
    const { vocabSize, shardTokens = defaultShardTokens } = options;
    if (!Number.isInteger(vocabSize) || vocabSize < 1 || vocabSize > maxVocabSize) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `vocabSize: expected an integer from 1 to ${maxVocabSize}, received ${vocabSize}`,
      );
    }
    requireShardOptions(options);
    this.#options = options;
    this.#shardTokens = shardTokens;
    this.#format = formatOf(vocabSize);
  }

  /**
   * A writer that goes on after the first `tokenCount` tokens of a stream that was written with the same options. What
   * is on disk beyond them is removed, complete shards stay as they are.
   * @param hashes of complete shards, the first ones or all; the others are read again.
   * @throws {BurgeonError} ERR_BURGEON_DATA when these tokens are not all on disk.
   */
  static async continue(
    options: TokenShardWriterOptions,
    tokenCount: number,
    hashes: readonly string[] = [],
  ): Promise<TokenShardWriter> {
    const writer = new TokenShardWriter(options);
    try {
      await writer.#continue(tokenCount, hashes);
      return writer;
    } catch (cause) {
      await writer.abort();
      // What is there is sound, and the disk is not.
      if (isRefusal(cause))
        await explainWriting(options.directory, 'what was written is kept', () => Promise.reject(cause));
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${options.directory}: expected the shards of an interrupted run with ${tokenCount} tokens, but ` +
          `${(cause as Error).message}; remove this directory and start again`,
        { cause },
      );
    }
  }

  /** Tokens written so far. */
  get tokenCount(): number {
    return this.#tokenCount;
  }

  /** Complete shards so far. */
  get shardCount(): number {
    return this.#hashes.length;
  }

  /** SHA-256 of the tokens of each complete shard, as they are stored, without the header. */
  get hashes(): readonly string[] {
    return [...this.#hashes];
  }

  /** @throws {BurgeonError} ERR_BURGEON_DATA for a token outside the vocabulary or a failed write. */
  async write(tokens: ArrayLike<number>): Promise<void> {
    const { vocabSize } = this.#options;
    const { tokenBytes } = this.#format;
    for (let i = 0; i < tokens.length; ) {
      if (!this.#shard) await this.#openShard();
      const shard = this.#shard!;
      const room = Math.min((bufferBytes - this.#buffered) / tokenBytes, this.#shardTokens - shard.tokenCount);
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
        if (tokenBytes === 2) this.#buffer.setUint16(this.#buffered, token, true);
        else this.#buffer.setUint32(this.#buffered, token, true);
        this.#buffered += tokenBytes;
        this.#tokenCount++;
      }
      if (this.#buffered === bufferBytes) await this.#flush();
      if (shard.tokenCount === this.#shardTokens) await this.#closeShard();
    }
  }

  /** Returns when all tokens written so far are on disk: `continue` can go on from here after a crash. */
  async sync(): Promise<void> {
    if (!this.#shard) return;
    await this.#flush();
    const { handle, path } = this.#shard;
    await this.#attempt(path, () => handle.sync());
  }

  /** Completes the last shard. @returns names of all shards, in order. */
  async end(): Promise<string[]> {
    if (this.#shard) await this.#closeShard();
    return this.#hashes.map((_, index) => this.#shardName(index));
  }

  /** Gives up: closes the unfinished shard, which stays for `continue`; does nothing after `end`. */
  async abort(): Promise<void> {
    const shard = this.#shard;
    this.#shard = undefined;
    await shard?.handle.close();
  }

  #shardName(index: number): string {
    const { name, split } = this.#options;
    return `${name}_${split}_${String(index).padStart(6, '0')}.bin`;
  }

  async #openShard(): Promise<void> {
    const path = join(this.#options.directory, this.#shardName(this.shardCount));
    await this.#attempt(path, async () => {
      const handle = await open(unfinished(path), 'w');
      this.#shard = { handle, path, tokenCount: 0, hash: createHash('sha256') };
      // The space of the header; what it says is known at the end.
      await handle.write(Buffer.alloc(llmcHeaderBytes));
    });
  }

  async #flush(): Promise<void> {
    const { handle, path, tokenCount, hash } = this.#shard!;
    hash.update(new Uint8Array(this.#buffer.buffer, 0, this.#buffered));
    const begin = llmcHeaderBytes + tokenCount * this.#format.tokenBytes - this.#buffered;
    await this.#attempt(path, async () => {
      for (let done = 0; done < this.#buffered; ) {
        done += (await handle.write(this.#buffer, done, this.#buffered - done, begin + done)).bytesWritten;
      }
    });
    this.#buffered = 0;
  }

  async #closeShard(): Promise<void> {
    await this.#flush();
    const { handle, path, tokenCount, hash } = this.#shard!;
    const header = Buffer.alloc(llmcHeaderBytes);
    const { magic, version } = this.#format;
    for (const [i, value] of [magic, version, tokenCount].entries()) header.writeInt32LE(value, 4 * i);
    await this.#attempt(path, async () => {
      await handle.write(header, 0, header.length, 0);
      // On the disk before it has its name, so that a name always means a whole file.
      await handle.sync();
      await handle.close();
      await rename(unfinished(path), path);
    });
    this.#hashes.push(hash.digest('hex'));
    this.#shard = undefined;
  }

  async #continue(tokenCount: number, hashes: readonly string[]): Promise<void> {
    const { directory } = this.#options;
    const { tokenBytes } = this.#format;
    this.#tokenCount = tokenCount;
    const shardCount = Math.floor(tokenCount / this.#shardTokens);
    const rest = tokenCount % this.#shardTokens;
    const kept = new Set<string>();
    for (let index = 0; index < shardCount; index++) {
      const name = this.#shardName(index);
      const size = llmcHeaderBytes + tokenBytes * this.#shardTokens;
      await requireSize(join(directory, name), size);
      this.#hashes.push(hashes[index] ?? (await hashOf(join(directory, name), size)).digest('hex'));
      kept.add(name);
    }
    if (rest > 0) {
      const path = join(directory, this.#shardName(this.shardCount));
      // It was completed after this point of the stream, and will be again.
      await rename(path, unfinished(path)).catch(ignoreMissing);
      const size = llmcHeaderBytes + tokenBytes * rest;
      await requireSize(unfinished(path), size, 'at least');
      const hash = await hashOf(unfinished(path), size);
      const handle = await open(unfinished(path), 'r+');
      this.#shard = { handle, path, tokenCount: rest, hash };
      await handle.truncate(size);
      kept.add(unfinished(this.#shardName(this.shardCount)));
    }
    const { name, split } = this.#options;
    for (const found of await readdir(directory)) {
      if (found.startsWith(`${name}_${split}_`) && !kept.has(found)) await rm(join(directory, found));
    }
  }

  async #attempt(path: string, action: () => Promise<void>): Promise<void> {
    await explainWriting(path, 'shards that are complete are kept', action);
  }
}

/** The hash of the tokens of a shard of `size` bytes so far. */
async function hashOf(path: string, size: number): Promise<Hash> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { start: llmcHeaderBytes, end: size - 1, highWaterMark: bufferBytes });
  for await (const piece of stream) hash.update(piece as Buffer);
  return hash;
}

function unfinished(path: string): string {
  return `${path}.partial`;
}

async function requireSize(
  path: string,
  expected: number,
  relation: 'exactly' | 'at least' = 'exactly',
): Promise<void> {
  const { size } = await stat(path);
  if (relation === 'exactly' ? size === expected : size >= expected) return;
  throw new Error(`expected ${relation} ${expected} bytes in ${path}, found ${size}`);
}

/** Whether the file system said no, other than that something is missing. */
function isRefusal(error: unknown): boolean {
  return isError(error) && 'syscall' in error && !isMissing(error);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
