// Reading token shards: recognizes the format, then reads any range of tokens by position, with 64-bit offsets.
// Formats: llm.c shards (karpathy/llm.c, dev/data/data_common.py and llmc/dataloader.h), uint16 for GPT-2 and uint32
// for Llama 3, and nanoGPT's raw uint16. Writing is token-shard-writer.ts; several files as one corpus are
// token-source.ts.

import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';

/** llm.c's header: 256 int32, of which magic number, version and token count are used. Little-endian, as the tokens. */
export const llmcHeaderBytes = 1024;
export const llmcUint16 = { magic: 20240520, version: 1, tokenBytes: 2 } as const;
export const llmcUint32 = { magic: 20240801, version: 7, tokenBytes: 4 } as const;
/** Files of questions, which are no token shards: lib/eval/llmc-eval-file.ts. */
export const llmcEvalMagic = 20240522;
const llmcFormats = [llmcUint16, llmcUint32] as const;

export interface TokenFile {
  readonly path: string;
  /** 'raw' has no header to check: whoever opens one should say so, as any file of even size passes for it. */
  readonly format: 'llmc' | 'raw';
  readonly tokenCount: number;
  /**
   * Reads tokens start to start + count - 1. Calls may overlap in time.
   * @param into filled from its beginning when given, at least `count` long; otherwise a new array is made.
   * @returns the `count` tokens.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a range outside the file, a token outside the vocabulary, a failed
   *   read.
   */
  readTokens(start: number, count: number, into?: Int32Array): Promise<Int32Array>;
  /** Waits for reads under way. */
  close(): Promise<void>;
}

/**
 * Opens a token shard.
 * @param options.vocabSize when given, every token read is checked to be below it.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file is missing, damaged, or in a format that is not supported.
 */
export async function openTokenFile(
  path: string,
  options: { vocabSize?: number | undefined } = {},
): Promise<TokenFile> {
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
    const layout = await recognize(path, size, head.subarray(0, bytesRead));
    return new OpenTokenFile(path, handle, layout, options.vocabSize);
  } catch (cause) {
    await handle.close();
    if (cause instanceof BurgeonError) throw cause;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

interface Layout {
  format: 'llmc' | 'raw';
  headerBytes: number;
  tokenBytes: 2 | 4;
  tokenCount: number;
}

/** The layout of a file of `size` bytes that begins with `head`. */
async function recognize(path: string, size: number, head: Buffer): Promise<Layout> {
  const fail = (message: string) => new BurgeonError('ERR_BURGEON_DATA', `${path}: ${message}`);
  if (size === 0) throw fail('expected tokens, found an empty file; prepare the data again');

  const magic = head.length >= 4 ? head.readInt32LE(0) : undefined;
  const llmc = llmcFormats.find((format) => format.magic === magic);
  if (llmc) {
    if (size < llmcHeaderBytes) {
      throw fail(
        `expected the ${llmcHeaderBytes} header bytes of an llm.c shard, found ${size} bytes; the file is cut off`,
      );
    }
    const version = head.readInt32LE(4);
    const tokenCount = head.readInt32LE(8);
    if (version !== llmc.version) {
      throw fail(`expected version ${llmc.version} of the llm.c shard format ${magic}, found version ${version}`);
    }
    const expected = llmcHeaderBytes + llmc.tokenBytes * tokenCount;
    if (size !== expected) {
      throw fail(
        `expected ${expected} bytes, as the header announces ${tokenCount} tokens of ${llmc.tokenBytes} bytes, found ` +
          `${size}; the file is damaged or was not written to the end`,
      );
    }
    return { format: 'llmc', headerBytes: llmcHeaderBytes, tokenBytes: llmc.tokenBytes, tokenCount };
  }

  const unsupported = await unsupportedFormat(path, head);
  if (unsupported) {
    throw fail(
      `this is ${unsupported}; expected an llm.c shard or raw uint16 tokens; convert the file, or prepare the data from ` +
        'its text',
    );
  }
  if (looksLikeText(head)) {
    throw fail('expected tokens, found text; turn it into tokens with `burgeon prepare` first');
  }
  if (size % 2 !== 0) {
    throw fail(
      `expected raw uint16 tokens, so an even number of bytes, found ${size}; this is no token file or is cut off`,
    );
  }
  return { format: 'raw', headerBytes: 0, tokenBytes: 2, tokenCount: size / 2 };
}

/** Names a format that is known but not supported yet. */
async function unsupportedFormat(path: string, head: Buffer): Promise<string | undefined> {
  if (startsWith(head, 'LITPKDS'))
    return 'a packed shard of lit-gpt or TinyLlama (LITPKDS), which is not supported yet';
  if (head.length >= 4 && head.readInt32LE(0) === llmcEvalMagic) {
    return 'an evaluation file of llm.c, which is read by `burgeon eval --choices`';
  }
  const megatron = 'a data set of Megatron-LM (.idx and .bin), which is not supported yet';
  if (startsWith(head, 'MMIDIDX')) return megatron;
  if (!path.endsWith('.bin')) return undefined;
  const index = await open(`${path.slice(0, -'.bin'.length)}.idx`, 'r').catch(() => undefined);
  if (!index) return undefined;
  try {
    const indexHead = Buffer.alloc(7);
    await index.read(indexHead, 0, 7, 0);
    return startsWith(indexHead, 'MMIDIDX') ? megatron : undefined;
  } finally {
    await index.close();
  }
}

function startsWith(head: Buffer, magic: string): boolean {
  return head.subarray(0, magic.length).equals(Buffer.from(magic, 'latin1'));
}

/**
 * Text given as a token file would pass as raw tokens. Tokens hardly ever look like this: 64 bytes of UTF-8 without
 * control characters, where every token below 256 has a zero byte.
 */
function looksLikeText(head: Buffer): boolean {
  if (head.length < 64) return false;
  // The last bytes may be the beginning of a character.
  const isText = [0, 1, 2, 3].some((cut) => isUtf8(head.subarray(0, head.length - cut)));
  return isText && !head.some((byte) => byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d));
}

class OpenTokenFile implements TokenFile {
  readonly path: string;
  readonly format: 'llmc' | 'raw';
  readonly tokenCount: number;
  readonly #handle: FileHandle;
  readonly #layout: Layout;
  readonly #vocabSize: number | undefined;

  constructor(path: string, handle: FileHandle, layout: Layout, vocabSize: number | undefined) {
    this.path = path;
    this.format = layout.format;
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
    const { headerBytes, tokenBytes } = this.#layout;
    const bytes = Buffer.allocUnsafe(count * tokenBytes);
    await this.#fill(bytes, headerBytes + start * tokenBytes);

    // 2^31 is the limit of what the result can hold; without a vocabulary there is no other.
    const limit = this.#vocabSize ?? 2 ** 31;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) {
      const token = tokenBytes === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
      if (token >= limit) throw this.#outOfVocabulary(start + i, token, limit);
      into[i] = token;
    }
    return into.length === count ? into : into.subarray(0, count);
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
        ? 'the file was tokenized with another tokenizer, or is not a file of raw uint16 tokens'
        : 'the file was tokenized with another tokenizer';
    return this.#error(
      `token ${token} at position ${position}: expected tokens below ${limit}, the vocabulary size; likely ${cause}`,
    );
  }

  #error(message: string, cause?: unknown): BurgeonError {
    return new BurgeonError('ERR_BURGEON_DATA', `${this.path}: ${message}`, { cause });
  }
}
