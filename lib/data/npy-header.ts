// The header of NumPy's .npy files, as far as arrays of tokens have one (numpy/lib/format.py): magic, version, length, and a
// Python dictionary with type, order and shape.

import type { TokenType } from './token-type.ts';

const magic = Buffer.from('\x93NUMPY', 'latin1');

const types: Record<string, TokenType> = {
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
};

export interface NpyHeader {
  headerBytes: number;
  type: TokenType;
  tokenCount: number;
}

/**
 * @param head the first bytes of a file.
 * @returns what the array is; text that says what is wrong with it; undefined where this is no .npy file.
 */
export function readNpyHeader(head: Buffer): NpyHeader | string | undefined {
  if (!head.subarray(0, magic.length).equals(magic)) return undefined;
  if (head.length < 12) return 'a .npy file whose header is cut off';
  const isShort = head[6] === 1;
  const textStart = isShort ? 10 : 12;
  const headerBytes = textStart + (isShort ? head.readUInt16LE(8) : head.readUInt32LE(8));
  const text = head.toString('latin1', textStart, headerBytes);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const isFortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1] === 'True';
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text)?.[1];
  if (headerBytes > head.length || descr === undefined || shape === undefined) {
    return 'a .npy file whose header cannot be read';
  }
  const type = types[descr.slice(1)];
  if (type === undefined) return `a .npy file of type ${descr}, no integers`;
  if (descr.startsWith('>')) return `a .npy file of big-endian ${type}`;
  const sizes = shape.split(',').filter((size) => size.trim() !== '');
  if (sizes.length !== 1 || isFortran) return `a .npy file of shape (${shape.trim()}), not one list of tokens`;
  return { headerBytes, type, tokenCount: Number(sizes[0]) };
}
