// The safetensors format against bytes worked out by hand, against its own writer, and against damaged files.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { openSafetensors, type TensorSource, writeSafetensors } from '../../lib/formats/safetensors.ts';
import { fileBytes, temporaryDirectory } from '../checkpoint/helpers.ts';

const f32 = (name: string, shape: number[], data: number[]): TensorSource => ({
  name,
  dtype: 'F32',
  shape,
  data: async () => Float32Array.from(data),
});
const f64 = (name: string, shape: number[], data: number[]): TensorSource => ({
  name,
  dtype: 'F64',
  shape,
  data: async () => Float64Array.from(data),
});

async function openBytes(bytes: Uint8Array) {
  const path = join(await temporaryDirectory(), 'x.safetensors');
  await writeFile(path, bytes);
  const file = await openSafetensors(path);
  onTestFinished(() => file.close());
  return file;
}

test('writes exactly the bytes of the format', async () => {
  const path = join(await temporaryDirectory(), 'x.safetensors');
  const digest = await writeSafetensors(path, [f32('b', [2], [1, -2]), f32('a', [], [0.5]), f64('z', [1, 1], [3])]);
  const header =
    '{"z":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]},' +
    '"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},' +
    '"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}';
  expect(header.length).toBe(164);
  const expected = Buffer.concat([
    Buffer.from('a800000000000000', 'hex'), // 168: the next multiple of 8
    Buffer.from(`${header}    `),
    Buffer.from('0000000000000840', 'hex'), // 3 as float64
    Buffer.from('0000003f', 'hex'), // 0.5
    Buffer.from('0000803f000000c0', 'hex'), // 1, -2
  ]);
  const written = await readFile(path);
  expect(written.toString('hex')).toBe(expected.toString('hex'));
  expect(digest).toEqual({ bytes: expected.length, sha256: createHash('sha256').update(expected).digest('hex') });
});

test('metadata comes first and is read back', async () => {
  const path = join(await temporaryDirectory(), 'x.safetensors');
  await writeSafetensors(path, [f32('a', [0], [])], { format: 'pt' });
  expect((await readFile(path, 'utf8')).slice(8, 42)).toBe('{"__metadata__":{"format":"pt"},"a');
  const file = await openSafetensors(path);
  expect(file.metadata).toEqual({ format: 'pt' });
  expect(await file.read('a')).toEqual(new Float32Array());
  await file.close();
});

test('whatever is written is read back', async () => {
  const directory = await temporaryDirectory();
  const tensor = fc.record({
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    isDouble: fc.boolean(),
    number: fc.double(),
  });
  const names = fc.string({ unit: 'binary', maxLength: 6 }).filter((name) => name !== '__metadata__');
  const text = fc.string({ unit: 'grapheme' });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(names, tensor), { selector: ([name]) => name, maxLength: 6 }),
      fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
      async (tensors, metadata) => {
        const path = join(directory, String(run++));
        const arrays = new Map(
          tensors.map(([name, { shape, isDouble, number }]) => {
            const length = shape.reduce((a, b) => a * b, 1);
            const array = isDouble ? new Float64Array(length) : new Float32Array(length);
            return [name, array.map((_: number, i: number) => number + i)] as const;
          }),
        );
        const sources = tensors.map(([name, { shape, isDouble }]) => {
          return { name, shape, dtype: isDouble ? 'F64' : 'F32', data: async () => arrays.get(name)! } as TensorSource;
        });
        await writeSafetensors(path, sources, metadata);
        const file = await openSafetensors(path);
        expect(file.metadata).toEqual(metadata);
        expect([...file.names].sort()).toEqual([...arrays.keys()].sort());
        for (const [name, array] of arrays) {
          expect(await file.readDouble(name)).toEqual(Float64Array.from(array));
          expect(await file.read(name)).toEqual(Float32Array.from(array));
        }
        await file.close();
      },
    ),
    { numRuns: 60 },
  );
});

test('tensors longer than one read or write survive', async () => {
  const path = join(await temporaryDirectory(), 'x.safetensors');
  const length = 2 * 1024 * 1024 + 3; // 8 MiB and 12 bytes: three pieces
  const array = Float32Array.from({ length }, (_, i) => i);
  const digest = await writeSafetensors(path, [{ name: 'a', dtype: 'F32', shape: [length], data: async () => array }]);
  expect(digest.sha256).toBe(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  );
  const file = await openSafetensors(path);
  expect(Buffer.compare(Buffer.from((await file.read('a')).buffer), Buffer.from(array.buffer))).toBe(0);
  await file.close();
});

test('half precision is widened exactly', async () => {
  const header = {
    b: { dtype: 'BF16', shape: [4], data_offsets: [0, 8] },
    h: { dtype: 'F16', shape: [8], data_offsets: [8, 24] },
  };
  const bfloat = [0x3f80, 0xc049, 0x7f80, 0x0001]; // 1, -3.140625, inf, the smallest subnormal
  const half = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0xfc00, 0x7e00];
  const file = await openBytes(fileBytes(header, new Uint8Array(Uint16Array.from([...bfloat, ...half]).buffer)));
  expect([...(await file.read('b'))]).toEqual([1, -3.140625, Infinity, 2 ** -133]);
  expect([...(await file.read('h'))]).toEqual([1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, -0, -Infinity, NaN]);
  expect([...(await file.readDouble('h'))].slice(2, 4)).toEqual([65504, 2 ** -24]);
});

test('other dtypes are listed but not read', async () => {
  const header = { mask: { dtype: 'BOOL', shape: [1, 2], data_offsets: [0, 2] } };
  const file = await openBytes(fileBytes(header, new Uint8Array(2)));
  expect(file.tensors.get('mask')).toEqual({ dtype: 'BOOL', shape: [1, 2], begin: 0, end: 2 });
  await expect(file.read('mask')).rejects.toThrow('tensor mask: expected dtype F64, F32, F16, BF16, found BOOL');
  await expect(file.read('other')).rejects.toThrow('no tensor is called other');
});

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const tooLong = fileBytes('{}');
tooLong.writeBigUInt64LE(20_000_001n);

test.for<[string, Uint8Array, string]>([
  ['an empty file', Buffer.alloc(0), '0 bytes are too few'],
  ['a header length beyond the limit', tooLong, 'at most 20000000 allowed'],
  ['a header longer than the file', fileBytes('{}').subarray(0, 9), 'truncated'],
  ['a header that starts with a space', fileBytes(' {}'), 'to start with "{"'],
  ['an empty header', fileBytes(''), 'to start with "{"'],
  ['a header that is not JSON', fileBytes('{a}'), 'not UTF-8 JSON'],
  [
    'a header that is not UTF-8',
    Buffer.concat([Buffer.from('0600000000000000', 'hex'), Buffer.from('{"\xff":', 'latin1'), Buffer.from('1}')]),
    'not UTF-8 JSON',
  ],
  ['metadata of numbers', fileBytes({ __metadata__: { step: 1 } }), '__metadata__: expected a map of strings'],
  ['an entry that is no object', fileBytes({ a: 1 }), 'tensor a: expected an object'],
  ['an unknown dtype', fileBytes({ a: entry(0, 4, [1], 'F128') }, Buffer.alloc(4)), 'tensor a: unknown dtype "F128"'],
  ['an inherited name as dtype', fileBytes({ a: entry(0, 4, [1], 'toString') }, Buffer.alloc(4)), 'unknown dtype'],
  ['a negative dimension', fileBytes({ a: entry(0, 4, [-1]) }, Buffer.alloc(4)), 'tensor a: expected a shape'],
  ['a size beyond 2^53', fileBytes({ a: entry(0, 4, [2 ** 40, 2 ** 40]) }, Buffer.alloc(4)), 'expected a shape'],
  ['fractional offsets', fileBytes({ a: entry(0.5, 4.5, [1]) }, Buffer.alloc(4)), 'expected data_offsets'],
  ['missing offsets', fileBytes({ a: { dtype: 'F32', shape: [1] } }, Buffer.alloc(4)), 'expected data_offsets'],
  ['offsets that do not fit the shape', fileBytes({ a: entry(0, 8, [1]) }, Buffer.alloc(8)), 'needs 4 bytes'],
  [
    'a hole',
    fileBytes({ a: entry(0, 4), b: entry(8, 12) }, Buffer.alloc(12)),
    'tensor b: bytes 4 to 8 belong to no tensor',
  ],
  ['a hole at the start', fileBytes({ a: entry(4, 8) }, Buffer.alloc(8)), 'bytes 0 to 4 belong to no tensor'],
  ['an overlap', fileBytes({ a: entry(0, 8), b: entry(4, 8) }, Buffer.alloc(8)), 'tensor b: overlaps'],
  ['missing data', fileBytes({ a: entry(0, 8) }, Buffer.alloc(7)), 'tensor a: ends at byte 8 of 7: truncated'],
  ['extra data', fileBytes({ a: entry(0, 8) }, Buffer.alloc(9)), 'expected 8 bytes after the header, found 9'],
  [
    'a name twice',
    fileBytes(`{"a":${JSON.stringify(entry(0, 4))},"\\u0061":${JSON.stringify(entry(0, 4))}}`, Buffer.alloc(4)),
    'tensor a: expected a unique name',
  ],
])('refuses %s', async ([, bytes, message]) => {
  const error = await openBytes(bytes).catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(BurgeonError);
  expect(error).toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
  expect((error as Error).message).toContain('x.safetensors');
  expect((error as Error).message).toContain(message);
});

test('a header padded with spaces and an empty file of tensors are fine', async () => {
  expect((await openBytes(fileBytes('{}      '))).names).toEqual([]);
});

test('names such as __proto__ are names', async () => {
  const file = await openBytes(fileBytes(`{"__proto__":${JSON.stringify(entry(0, 4))}}`, Buffer.alloc(4)));
  expect(file.names).toEqual(['__proto__']);
});

test('a file that shrinks while it is open is noticed', async () => {
  const file = await openBytes(fileBytes({ a: entry(0, 8) }, Buffer.alloc(8)));
  await truncate(file.path, (await stat(file.path)).size - 4);
  await expect(file.read('a')).rejects.toThrow('truncated while it was open');
});

test.for<[string, TensorSource[], string]>([
  [
    'too few values',
    [f32('a', [3], [1, 2])],
    'tensor a [3]: expected Float32Array of length 3, received Float32Array of length 2',
  ],
  [
    'the wrong array type',
    [{ ...f64('a', [1], [1]), dtype: 'F32' } as TensorSource],
    'expected Float32Array of length 1',
  ],
  ['a name twice', [f32('a', [0], []), f64('a', [0], [])], 'expected a unique name'],
  ['the reserved name', [f32('__metadata__', [0], [])], 'expected a unique name'],
  ['an impossible shape', [f32('a', [1.5], [])], 'impossible shape or dtype: F32 [1.5]'],
  [
    'an unknown dtype',
    [{ ...f32('a', [1], [1]), dtype: 'F8' } as unknown as TensorSource],
    'impossible shape or dtype',
  ],
])('does not write %s, and leaves no file', async ([, tensors, message]) => {
  const directory = await temporaryDirectory();
  await expect(writeSafetensors(join(directory, 'x'), tensors)).rejects.toThrow(message);
  expect(await readdir(directory)).toEqual([]);
});

test('does not overwrite', async () => {
  const path = join(await temporaryDirectory(), 'x');
  await writeFile(path, 'kept');
  await expect(writeSafetensors(path, [])).rejects.toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
  expect(await readFile(path, 'utf8')).toBe('kept');
});

test('fetches one tensor at a time, in file order', async () => {
  const log: string[] = [];
  const source = (name: string): TensorSource => ({
    ...f32(name, [1], []),
    dtype: 'F32',
    data: async () => {
      log.push(`begin ${name}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.push(`end ${name}`);
      return new Float32Array(1);
    },
  });
  await writeSafetensors(join(await temporaryDirectory(), 'x'), [source('b'), source('a')]);
  expect(log).toEqual(['begin a', 'end a', 'begin b', 'end b']);
});
