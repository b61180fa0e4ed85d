// Recognizes the format of a token file: llm.c shards (karpathy/llm.c, dev/data/data_common.py and llmc/dataloader.h), uint16
// for GPT-2 and uint32 for Llama 3; NumPy's .npy; and raw ids without a header, uint16 as nanoGPT writes them unless told
// otherwise. Files that are something else are refused by name, as almost anything passes for raw ids.

import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { BurgeonError } from '../errors.ts';
import { readNpyHeader } from './npy-header.ts';
import { storedAs, type TokenType } from './token-type.ts';

/** llm.c's header: 256 int32, of which magic number, version and token count are used. Little-endian, as the tokens. */
export const llmcHeaderBytes = 1024;
export const llmcUint16 = { magic: 20240520, version: 1, tokenBytes: 2, type: 'uint16' } as const;
export const llmcUint32 = { magic: 20240801, version: 7, tokenBytes: 4, type: 'uint32' } as const;
/** Files of questions, which are no token shards: lib/eval/llmc-eval-file.ts. */
export const llmcEvalMagic = 20240522;
const llmcFormats = [llmcUint16, llmcUint32] as const;

export interface TokenLayout {
  format: 'llmc' | 'npy' | 'raw';
  headerBytes: number;
  type: TokenType;
  tokenCount: number;
}

/** What is known of a token file besides its bytes. */
export interface TokenFileOptions {
  /** V: when given, every token read is checked to be below it. */
  vocabSize?: number | undefined;
  /** Type of raw ids; uint16 unless given. */
  dtype?: TokenType | undefined;
}

/**
 * The layout of a file of `size` bytes that begins with `head`.
 * @throws {BurgeonError} ERR_BURGEON_DATA when it is damaged, or in a format that is not supported.
 */
export async function recognizeTokens(
  path: string,
  size: number,
  head: Buffer,
  { vocabSize, dtype }: TokenFileOptions,
): Promise<TokenLayout> {
  if (size === 0) throw failure(path, 'expected tokens, found an empty file; prepare the data again');
  const layout =
    llmcLayout(path, size, head) ?? npyLayout(path, size, head) ?? (await rawLayout(path, size, head, dtype));
  const { format, type } = layout;
  if (dtype !== undefined && type !== dtype) {
    const kind = format === 'llmc' ? 'llm.c shard' : '.npy file';
    throw failure(path, `expected ${dtype} (dtype), but this ${kind} says ${type}; leave dtype out`);
  }
  if (vocabSize !== undefined && vocabSize > 65536 && storedAs[type].bytes === 2) {
    throw failure(
      path,
      `a vocabulary of ${vocabSize} does not fit 16 bits per token, found ${type}; the tokens are of another tokenizer, or ` +
        'raw ids of more bits: then say which (data.dtype: uint32, int32 or int64)',
    );
  }
  return layout;
}

function failure(path: string, message: string): BurgeonError {
  return new BurgeonError('ERR_BURGEON_DATA', `${path}: ${message}`);
}

function llmcLayout(path: string, size: number, head: Buffer): TokenLayout | undefined {
  const magic = head.length >= 4 ? head.readInt32LE(0) : undefined;
  const llmc = llmcFormats.find((format) => format.magic === magic);
  if (llmc === undefined) return undefined;
  if (size < llmcHeaderBytes) {
    throw failure(
      path,
      `expected the ${llmcHeaderBytes} header bytes of an llm.c shard, found ${size} bytes; the file is cut off`,
    );
  }
  const version = head.readInt32LE(4);
  const tokenCount = head.readInt32LE(8);
  if (version !== llmc.version) {
    throw failure(
      path,
      `expected version ${llmc.version} of the llm.c shard format ${magic}, found version ${version}`,
    );
  }
  const layout = { format: 'llmc', headerBytes: llmcHeaderBytes, type: llmc.type, tokenCount } as const;
  requireSize(path, size, layout);
  return layout;
}

function npyLayout(path: string, size: number, head: Buffer): TokenLayout | undefined {
  const header = readNpyHeader(head);
  if (header === undefined) return undefined;
  if (typeof header === 'string') {
    throw failure(
      path,
      `this is ${header}; expected one dimension of little-endian integers; in NumPy: np.save(path, tokens.reshape(-1).astype('<u4'))`,
    );
  }
  const layout = { format: 'npy', ...header } as const;
  requireSize(path, size, layout);
  return layout;
}

function requireSize(path: string, size: number, { headerBytes, type, tokenCount }: TokenLayout): void {
  const { bytes } = storedAs[type];
  const expected = headerBytes + bytes * tokenCount;
  if (size === expected) return;
  throw failure(
    path,
    `expected ${expected} bytes, as the header announces ${tokenCount} tokens of ${bytes} bytes, found ` +
      `${size}; the file is damaged or was not written to the end`,
  );
}

async function rawLayout(path: string, size: number, head: Buffer, dtype: TokenType | undefined): Promise<TokenLayout> {
  const unsupported = await unsupportedFormat(path, head, dtype !== undefined);
  if (unsupported) {
    throw failure(
      path,
      `this is ${unsupported}; expected an llm.c shard, a .npy file or raw uint16 tokens; convert the file, or prepare the ` +
        'data from its text',
    );
  }
  if (dtype === undefined && looksLikeText(head)) {
    throw failure(path, 'expected tokens, found text; turn it into tokens with `burgeon prepare` first');
  }
  const type = dtype ?? 'uint16';
  const { bytes } = storedAs[type];
  if (size % bytes !== 0) {
    const multiple = bytes === 2 ? 'an even number of bytes' : `a multiple of ${bytes} bytes`;
    throw failure(
      path,
      `expected raw ${type} tokens, so ${multiple}, found ${size}; this is no token file, or is cut off, or has ids of ` +
        'another type (data.dtype)',
    );
  }
  return { format: 'raw', headerBytes: 0, type, tokenCount: size / bytes };
}

/** Files that somebody may take for tokens, by their first bytes. As tokens, these hardly ever begin a file. */
const foreignFormats: readonly [magic: string, name: string][] = [
  ['PK\x03\x04', 'a zip archive (.npz, or .pt of PyTorch)'],
  ['\x1f\x8b\x08', 'a gzip file'],
  ['\x28\xb5\x2f\xfd', 'a Zstandard file'],
  ['PAR1', 'a Parquet file'],
  ['ARROW1', 'an Arrow file'],
  ['\x89HDF', 'an HDF5 file'],
];

/**
 * Names a format that is known but not supported.
 * @param isTold whether these are raw ids, as somebody said who knows.
 */
async function unsupportedFormat(path: string, head: Buffer, isTold: boolean): Promise<string | undefined> {
  if (startsWith(head, 'LITPKDS'))
    return 'a packed shard of lit-gpt or TinyLlama (LITPKDS), which is not supported yet';
  if (head.length >= 4 && head.readInt32LE(0) === llmcEvalMagic) {
    return 'an evaluation file of llm.c, which is read by `burgeon eval --choices`';
  }
  const megatron = 'a data set of Megatron-LM (.idx and .bin), which is not supported yet';
  if (startsWith(head, 'MMIDIDX')) return megatron;
  const foreign = foreignFormats.find(([magic]) => startsWith(head, magic));
  if (foreign && !isTold) return foreign[1];
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
