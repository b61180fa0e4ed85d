// Reading token shards: opens a file in any format that token-layout.ts recognizes, then reads any range of tokens by
// position, with 64-bit offsets. Writing is token-shard-writer.ts; several files as one corpus are token-source.ts.

import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { recognizeTokens, type TokenFileOptions, type TokenLayout } from './token-layout.ts';
import { storedAs, type TokenType } from './token-type.ts';

/** Bytes per read and update of a hash: so few that the event loop waits for less than a millisecond. */
const hashedBytes = 1 << 20;

export interface TokenFile {
  readonly path: string;
  /** 'raw' has no header to check: whoever opens one should say so, as any file of even size passes for it. */
  readonly format: TokenLayout['format'];
  readonly type: TokenType;
  readonly tokenCount: number;
  /**
   * Reads tokens start to start + count - 1. Calls may overlap in time.
   * @param into filled from its beginning when given, at least `count` long; otherwise a new array is made.
   * @returns the `count` tokens.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a range outside the file, a token outside the vocabulary, a failed
   *   read.
   */
  readTokens(start: number, count: number, into?: Int32Array): Promise<Int32Array>;
  /**
   * Reads the file once.
   * @param signal ends it between two pieces, with what it was aborted with.
   * @returns SHA-256 of its tokens as they are stored, without the header, in hex.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a failed read.
   */
  hash(signal?: AbortSignal): Promise<string>;
  /** Device and inode: equal for two names of one file. */
  identify(): Promise<string>;
  /** Waits for reads under way. */
  close(): Promise<void>;
}

/**
 * Opens a token shard.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file is missing, damaged, or in a format that is not supported.
 */
export async function openTokenFile(path: string, options: TokenFileOptions = {}): Promise<TokenFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be opened (${(cause as Error).message})`, { cause });
  }
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(4096);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const layout = await recognizeTokens(path, size, head.subarray(0, bytesRead), options);
    return new OpenTokenFile(path, handle, layout, options.vocabSize);
  } catch (cause) {
    await handle.close();
    if (cause instanceof BurgeonError) throw cause;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

class OpenTokenFile implements TokenFile {
  readonly path: string;
  readonly format: TokenLayout['format'];
  readonly type: TokenType;
  readonly tokenCount: number;
  readonly #handle: FileHandle;
  readonly #layout: TokenLayout;
  readonly #vocabSize: number | undefined;

  constructor(path: string, handle: FileHandle, layout: TokenLayout, vocabSize: number | undefined) {
    this.path = path;
    this.format = layout.format;
    this.type = layout.type;
    this.tokenCount = layout.tokenCount;
    this.#handle = handle;
    this.#layout = layout;
    this.#vocabSize = vocabSize;
  }

  async readTokens(start: number, count: number, given?: Int32Array): Promise<Int32Array> {
    const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count >= 0;
    if (!isRange || start + count > this.tokenCount) {
      throw this.#error(
        `expected a range within its ${this.tokenCount} tokens, received start ${start}, count ${count}`,
      );
    }
    const into = given ?? new Int32Array(count);
    if (into.length < count) throw this.#error(`expected room for ${count} tokens, received ${into.length}`);
    const { bytes: tokenBytes, read } = storedAs[this.type];
    const bytes = Buffer.allocUnsafe(count * tokenBytes);
    await this.#fill(bytes, this.#layout.headerBytes + start * tokenBytes);

    // 2^31 is the limit of what the result can hold; without a vocabulary there is no other.
    const limit = this.#vocabSize ?? 2 ** 31;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) {
      const token = read(view, i * tokenBytes);
      if (!(token >= 0 && token < limit)) throw this.#outOfVocabulary(start + i, token, limit);
      into[i] = token;
    }
    return into.length === count ? into : into.subarray(0, count);
  }

  async hash(signal?: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    const { headerBytes } = this.#layout;
    const end = headerBytes + this.tokenCount * storedAs[this.type].bytes;
    const buffer = Buffer.allocUnsafe(hashedBytes);
    for (let position = headerBytes; position < end; ) {
      signal?.throwIfAborted();
      const piece = buffer.subarray(0, Math.min(hashedBytes, end - position));
      await this.#fill(piece, position);
      hash.update(piece);
      position += piece.length;
    }
    return hash.digest('hex');
  }

  async identify(): Promise<string> {
    const { dev, ino } = await this.#handle.stat({ bigint: true });
    return `${dev}:${ino}`;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #fill(bytes: Buffer, position: number): Promise<void> {
    let filled = 0;
    while (filled < bytes.length) {
      const bytesRead = await this.#read(bytes, filled, position + filled);
      if (bytesRead === 0) {
        throw this.#error(
          `expected bytes up to ${position + bytes.length}, found its end at ${position + filled}; ` +
            'the file became shorter while it was open',
        );
      }
      filled += bytesRead;
    }
  }

  async #read(bytes: Buffer, offset: number, position: number): Promise<number> {
    try {
      return (await this.#handle.read(bytes, offset, bytes.length - offset, position)).bytesRead;
    } catch (cause) {
      throw this.#error(`cannot be read (${(cause as Error).message})`, cause);
    }
  }

  #outOfVocabulary(position: number, token: number, limit: number): BurgeonError {
    const cause =
      this.format === 'raw'
        ? `the file was tokenized with another tokenizer, or is not a file of raw ${this.type} tokens (data.dtype)`
        : 'the file was tokenized with another tokenizer';
    const what = this.#vocabSize === undefined ? 'the most that are read' : 'the vocabulary size';
    return this.#error(
      `token ${token} at position ${position}: expected tokens below ${limit}, ${what}; likely ${cause}`,
    );
  }

  #error(message: string, cause?: unknown): BurgeonError {
    return new BurgeonError('ERR_BURGEON_DATA', `${this.path}: ${message}`, { cause });
  }
}
