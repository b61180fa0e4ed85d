// What tests of wrong calls share.

import { expect } from 'vitest';
import { BurgeonError, type BurgeonErrorCode } from '../../lib/errors.ts';

export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('expected an error, but the call succeeded');
}

export async function expectMistake(call: () => unknown, code: BurgeonErrorCode, message: string) {
  const error = await errorOf(call);
  expect(error).toBeInstanceOf(BurgeonError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
}

/** A copy with other values at some positions. */

/** A view that lies outside its buffer, which was made smaller. */
export function outOfBounds(): Int32Array {
  type Resizable = ArrayBuffer & { resize(bytes: number): void };
  const buffer = new (ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable)(64, {
    maxByteLength: 128,
  });
  const data = new Int32Array(buffer, 0, 16);
  buffer.resize(8);
  return data;
}

export function shared(data: Int32Array): Int32Array {
  const copy = new Int32Array(new SharedArrayBuffer(data.byteLength));
  copy.set(data);
  return copy;
}

export const int = (...values: number[]) => Int32Array.of(...values);
