// Reading and writing safetensors files, one tensor in memory at a time. Headers are safetensors-header.ts; what the
// tensors mean is the caller's. Typed arrays are written as they lie in memory, so hosts are little-endian, as the
// format is; every platform burgeon is built for is.

import { type FileHandle, open } from 'node:fs/promises';
import { types } from 'node:util';
import { type FileDigest, pieceBytes, writeDurably } from '../files/durable-file.ts';
import { refusePipe } from '../files/path-kinds.ts';
import { checkpointError, explainFailure } from './checkpoint-error.ts';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half-floats.ts';
import { elementCount, layOut, maxHeaderBytes, parseHeader, type TensorLayout } from './safetensors-header.ts';

/** One tensor to write. `data` is called once, when its turn comes; the array must have as many elements as `shape`. */
export type TensorSource = {
  readonly name: string;
  readonly shape: readonly number[];
} & ( // The 16-bit formats are rounded to while writing.
  | { readonly dtype: 'F32' | 'F16' | 'BF16'; readonly data: () => Promise<Float32Array> }
  | { readonly dtype: 'F64'; readonly data: () => Promise<Float64Array> }
);

/**
 * Writes a new safetensors file in the order of the reference writer and returns after fsync.
 * @param metadata string pairs for `__metadata__`; left out when empty.
 * @returns size and SHA-256 of the file, computed while writing.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when the file exists, cannot be written, or a tensor is not as
 *   announced; no file is left behind then. Errors of `data` that are BurgeonErrors pass unchanged.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileDigest> {
  return explainFailure(`writing ${path}`, async () => {
    const { head, ordered } = layOut(path, tensors, metadata);
    return writeDurably(path, async (write) => {
      await write(head);
      for (const { name, dtype, shape, data } of ordered) {
        const array = await data();
        const isOfType = dtype === 'F64' ? types.isFloat64Array(array) : types.isFloat32Array(array);
        if (!isOfType || array.length !== elementCount(shape)) {
          const found = `${(array as object)?.constructor?.name} of length ${(array as { length?: number })?.length}`;
          const expected = `${dtype === 'F64' ? 'Float64Array' : 'Float32Array'} of length ${elementCount(shape)}`;
          throw checkpointError(`${path}: tensor ${name} [${shape}]: expected ${expected}, received ${found}`);
        }
        const stored = encode(dtype, array);
        await write(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
      }
    });
  });
}

/** Elements of a tensor; float64 where its dtype is F64. */
export type Values = Float32Array | Float64Array;

/** An open safetensors file whose header has been validated. Reads may run at the same time. */
export interface SafetensorsFile {
  readonly path: string;
  /** Tensor names in file order. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorLayout>;
  /**
   * The tensor as float32, row-major; F16, BF16 and F32 exactly, F64 rounded to nearest.
   * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for an unknown name, another dtype, or a file cut short meanwhile.
   */
  read(name: string): Promise<Float32Array>;
  /** The tensor as float64; exact for all four dtypes. Fails as `read` does. */
  readDouble(name: string): Promise<Float64Array>;
  /** The tensor front to back, a few MiB at a time, exactly. Fails as `read` does. */
  pieces(name: string): AsyncGenerator<Values>;
  close(): Promise<void>;
}

/**
 * Opens a file and checks its whole header: every tensor lies inside the file, nothing overlaps, nothing is left over.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and the tensor.
 */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return explainFailure(`reading ${path}`, async () => {
    await refusePipe(path);
    const handle = await open(path, 'r');
    try {
      return await readHeader(path, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  });
}

async function readHeader(path: string, handle: FileHandle): Promise<SafetensorsFile> {
  const fileBytes = (await handle.stat()).size;
  if (fileBytes < 8) throw checkpointError(`${path}: ${fileBytes} bytes are too few for a safetensors file`);
  const length = Buffer.alloc(8);
  await readExactly(path, handle, length, 0);
  const headerBytes = Number(length.readBigUInt64LE());
  if (headerBytes > maxHeaderBytes) {
    throw checkpointError(
      `${path}: header of ${headerBytes} bytes, at most ${maxHeaderBytes} allowed: not a safetensors file`,
    );
  }
  const dataBegin = 8 + headerBytes;
  if (dataBegin > fileBytes) {
    throw checkpointError(
      `${path}: header of ${headerBytes} bytes in a file of ${fileBytes}: truncated, copy it again`,
    );
  }
  const header = Buffer.alloc(headerBytes);
  await readExactly(path, handle, header, 8);
  const { metadata, tensors } = parseHeader(path, header, fileBytes - dataBegin);

  const layoutOf = (name: string): TensorLayout => {
    const layout = tensors.get(name);
    if (layout === undefined) throw checkpointError(`${path}: no tensor is called ${name}`);
    return layout;
  };
  async function* pieces(name: string): AsyncGenerator<Values> {
    const layout = layoutOf(name);
    const decode = decoders[layout.dtype];
    if (decode === undefined) {
      const known = Object.keys(decoders).join(', ');
      throw checkpointError(`${path}: tensor ${name}: expected dtype ${known}, found ${layout.dtype}`);
    }
    const piece = Buffer.from(new ArrayBuffer(Math.min(pieceBytes, layout.end - layout.begin)));
    for (let begin = layout.begin; begin < layout.end; begin += pieceBytes) {
      const bytes = piece.subarray(0, Math.min(pieceBytes, layout.end - begin));
      await readExactly(path, handle, bytes, dataBegin + begin);
      yield decode(bytes.buffer, bytes.byteLength);
    }
  }
  const readAs = <T extends Values>(name: string, allocate: (length: number) => T): Promise<T> =>
    explainFailure(`reading tensor ${name} of ${path}`, async () => {
      const result = allocate(elementCount(layoutOf(name).shape));
      let filled = 0;
      for await (const values of pieces(name)) {
        result.set(values, filled);
        filled += values.length;
      }
      return result;
    });

  return {
    path,
    names: [...tensors.keys()],
    metadata,
    tensors,
    read: (name) => readAs(name, (length) => new Float32Array(length)),
    readDouble: (name) => readAs(name, (length) => new Float64Array(length)),
    pieces,
    close: () => handle.close(),
  };
}

async function readExactly(path: string, handle: FileHandle, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.byteLength; ) {
    const { bytesRead } = await handle.read(target, done, target.byteLength - done, position + done);
    if (bytesRead === 0) {
      throw checkpointError(`${path}: ended at byte ${position + done}: truncated while it was open`);
    }
    done += bytesRead;
  }
}

type Decoder = (buffer: ArrayBufferLike, byteLength: number) => Values;

/** Elements of one piece of a tensor, which starts at offset 0 of the buffer. */
const decoders: Readonly<Record<string, Decoder>> = {
  F64: (buffer, byteLength) => new Float64Array(buffer, 0, byteLength / 8),
  F32: (buffer, byteLength) => new Float32Array(buffer, 0, byteLength / 4),
  F16: (buffer, byteLength) => decodeFloat16(new Uint16Array(buffer, 0, byteLength / 2)),
  BF16: (buffer, byteLength) => decodeBfloat16(new Uint16Array(buffer, 0, byteLength / 2)),
};

function encode(dtype: TensorSource['dtype'], values: Float32Array | Float64Array) {
  if (dtype === 'F16') return encodeFloat16(values as Float32Array);
  return dtype === 'BF16' ? encodeBfloat16(values as Float32Array) : values;
}
