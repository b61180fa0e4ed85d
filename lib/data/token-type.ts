// How the ids of a token file are stored: an integer type, little-endian.

/** `data.dtype` of raw files; .npy files and llm.c shards say theirs. */
export const tokenTypes = ['uint8', 'uint16', 'uint32', 'uint64', 'int16', 'int32', 'int64'] as const;

export type TokenType = (typeof tokenTypes)[number];

interface Stored {
  bytes: 1 | 2 | 4 | 8;
  /** The id at a byte; one that no Int32Array holds comes as the number it is, to be refused. */
  read(view: DataView, at: number): number;
}

/** Exact below 2^53, and far outside any vocabulary beyond. */
const wide = (high: number, low: number) => high * 2 ** 32 + low;

export const storedAs: Record<TokenType, Stored> = {
  uint8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  uint16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  uint32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  uint64: { bytes: 8, read: (view, at) => wide(view.getUint32(at + 4, true), view.getUint32(at, true)) },
  int16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  int32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  int64: { bytes: 8, read: (view, at) => wide(view.getInt32(at + 4, true), view.getUint32(at, true)) },
};
