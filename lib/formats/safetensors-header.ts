// The header of a safetensors file: laying tensors out for writing, and parsing with every check the format asks for.
// Pure: bytes in, plain data out; safetensors.ts does the I/O. Source of the rules: huggingface/safetensors, README.md
// section "Format" and safetensors/src/tensor.rs.

import { quote } from '../quote.ts';
import { checkpointError } from './checkpoint-error.ts';
import { isJsonObject, parseJson } from './json.ts';

/** Bytes per element of every dtype a file may declare. Only the floating-point ones up to F64 can be read. */
const elementBytes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/**
 * The longest header, in bytes. The format allows 100,000,000, which take gigabytes to parse; 100,000 tensors, more than any
 * model has, need a tenth of it.
 */
export const maxHeaderBytes = 20_000_000;

/** Where a tensor lies. Offsets are bytes from the end of the header, `end` exclusive; data is row-major. */
export interface TensorLayout {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface TensorDescription {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** What parseHeader returns; `tensors` is in file order. */
export interface ParsedHeader {
  metadata: Record<string, string>;
  tensors: Map<string, TensorLayout>;
}

/** Number of elements of a shape; the empty shape is one scalar. NaN when a dimension is not a count. */
export function elementCount(shape: readonly number[]): number {
  const count = shape.reduce((product, size) => (Number.isSafeInteger(size) && size >= 0 ? product * size : NaN), 1);
  return Number.isSafeInteger(count) ? count : NaN;
}

/**
 * Orders tensors as the reference writer does (wide dtypes first, then by name, so every tensor is aligned) and makes
 * the first bytes of the file: length, JSON, and spaces up to a multiple of 8.
 * @param file only for messages.
 */
export function layOut<T extends TensorDescription>(
  file: string,
  tensors: Iterable<T>,
  metadata: Readonly<Record<string, string>>,
): { head: Uint8Array; ordered: T[] } {
  const width = (tensor: T) => elementBytes[tensor.dtype] ?? NaN;
  const ordered = [...tensors].sort((a, b) => width(b) - width(a) || (a.name < b.name ? -1 : 1));
  const seen = new Set(['__metadata__']);
  // Joined by hand: an object would move names that look like numbers to the front.
  const fields = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let begin = 0;
  for (const tensor of ordered) {
    const { name, dtype, shape } = tensor;
    if (seen.has(name)) throw checkpointError(`${file}: tensor ${name}: expected a unique name, got it twice`);
    seen.add(name);
    const end = begin + elementCount(shape) * width(tensor);
    if (Number.isNaN(end)) {
      throw checkpointError(`${file}: tensor ${name}: impossible shape or dtype: ${dtype} [${shape}]`);
    }
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    begin = end;
  }
  const json = Buffer.from(`{${fields.join(',')}}`);
  const paddedBytes = Math.ceil(json.length / 8) * 8;
  if (paddedBytes > maxHeaderBytes) {
    throw checkpointError(`${file}: a header of ${paddedBytes} bytes exceeds the limit of ${maxHeaderBytes}`);
  }
  const head = Buffer.alloc(8 + paddedBytes, ' ');
  head.writeBigUInt64LE(BigInt(paddedBytes), 0);
  json.copy(head, 8);
  return { head, ordered };
}

/**
 * Parses and validates the JSON part of a header.
 * @param file        only for messages.
 * @param header      the N bytes after the length.
 * @param bufferBytes bytes in the file after the header; the tensors must cover exactly these.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and, where there is one, the tensor.
 */
export function parseHeader(file: string, header: Uint8Array, bufferBytes: number): ParsedHeader {
  if (header[0] !== 0x7b) {
    throw checkpointError(`${file}: expected the header to start with "{": not a safetensors file`);
  }
  let text: string;
  let json: Record<string, unknown>;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    json = parseJson(text) as Record<string, unknown>;
  } catch (cause) {
    throw checkpointError(`${file}: the header is not UTF-8 JSON (${cause}): the file is damaged`, cause);
  }
  const { __metadata__: metadata = {}, ...entries } = json;
  if (!isJsonObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw checkpointError(`${file}: __metadata__: expected a map of strings, found ${quote(metadata)}`);
  }
  const layouts = Object.entries(entries).map(([name, entry]) => ({ name, ...parseEntry(file, name, entry) }));
  rejectDuplicates(file, text);
  layouts.sort((a, b) => a.begin - b.begin || a.end - b.end);
  rejectGaps(file, layouts, bufferBytes);
  return {
    metadata: metadata as Record<string, string>,
    tensors: new Map(layouts.map(({ name, ...layout }) => [name, layout])),
  };
}

function parseEntry(file: string, name: string, entry: unknown): TensorLayout {
  const fail = (problem: string) => checkpointError(`${file}: tensor ${name}: ${problem}`);
  if (!isJsonObject(entry)) throw fail(`expected an object, found ${quote(entry)}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const width = typeof dtype === 'string' && Object.hasOwn(elementBytes, dtype) ? elementBytes[dtype] : undefined;
  if (typeof dtype !== 'string' || width === undefined) throw fail(`unknown dtype ${quote(dtype)}`);
  const elements = Array.isArray(shape) ? elementCount(shape) : NaN;
  if (Number.isNaN(elements)) throw fail(`expected a shape of counts, found ${quote(shape)}`);
  const isRange =
    Array.isArray(offsets) && offsets.length === 2 && offsets.every((x) => Number.isSafeInteger(x) && x >= 0);
  if (!isRange) throw fail(`expected data_offsets [begin, end], found ${quote(offsets)}`);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== elements * width) {
    throw fail(
      `${dtype} [${shape}] needs ${elements * width} bytes, data_offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  }
  return { dtype, shape: shape as number[], begin, end };
}

/** JSON.parse keeps the last of two equal keys without a word, so the names are read again from the text. */
function rejectDuplicates(file: string, text: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1) {
      // Values at this depth are objects (parseEntry made sure), so every string here is a key.
      const name: string = JSON.parse(token);
      if (seen.has(name)) throw checkpointError(`${file}: tensor ${name}: expected a unique name, found it twice`);
      seen.add(name);
    }
  }
}

function rejectGaps(file: string, layouts: readonly (TensorLayout & { name: string })[], bufferBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of layouts) {
    if (begin > covered) {
      throw checkpointError(`${file}: tensor ${name}: bytes ${covered} to ${begin} belong to no tensor`);
    }
    if (begin < covered) throw checkpointError(`${file}: tensor ${name}: overlaps the one before it at byte ${begin}`);
    if (end > bufferBytes) {
      const advice = 'copy or download it again';
      throw checkpointError(`${file}: tensor ${name}: ends at byte ${end} of ${bufferBytes}: truncated, ${advice}`);
    }
    covered = end;
  }
  if (covered !== bufferBytes) {
    throw checkpointError(
      `${file}: expected ${covered} bytes after the header, found ${bufferBytes}: extra bytes at the end`,
    );
  }
}
