// Checks what callers pass to a Model, as far as the addon does not: each function throws a BurgeonError that names the
// argument, what was expected and what came. Counterpart of native/addon/arguments.cc.

import { types } from 'node:util';
import { requireObject, requireReadable } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import type { Moment } from '../optim/optimizer.ts';

/** B and T of a batch. */
export function batchShape(tokens: Int32Array, batchSize = 1): { batchSize: number; sequenceLength: number } {
  if (!types.isInt32Array(tokens)) {
    throw new BurgeonError('ERR_BURGEON_DTYPE', `tokens: expected an Int32Array, received ${describe(tokens)}`);
  }
  const isCount = Number.isInteger(batchSize) && batchSize >= 1;
  const sequenceLength = isCount ? tokens.length / batchSize : 0;
  if (!Number.isInteger(sequenceLength) || sequenceLength < 1) {
    throw new BurgeonError(
      'ERR_BURGEON_SHAPE',
      `tokens: expected batchSize sequences of equal length, received ${tokens.length} tokens with batchSize ${describe(batchSize)}`,
    );
  }
  return { batchSize, sequenceLength };
}

/** A copy of the prompt, checked. */
export function readPrompt(prompt: ArrayLike<number>, vocabSize: number): number[] {
  requireReadable('prompt', prompt);
  if (!(prompt?.length >= 1)) {
    const came = prompt?.length === 0 ? 'none' : describe(prompt);
    throw new BurgeonError('ERR_BURGEON_SHAPE', `prompt: expected at least one token, received ${came}`);
  }
  return Array.from(prompt, (token, i) => {
    if (Number.isInteger(token) && token >= 0 && token < vocabSize) return token;
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `prompt[${i}]: expected a token in [0, ${vocabSize}), received ${describe(token)}`,
    );
  });
}

/** Elements of a tensor. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** As many numbers as a tensor of that shape has. */
export function requireElements(name: string, shape: readonly number[], data: ArrayLike<number>): void {
  requireReadable(name, data);
  const size = sizeOf(shape);
  const length = typeof data === 'object' ? data?.length : undefined;
  if (length === size) return;
  throw new BurgeonError(
    'ERR_BURGEON_SHAPE',
    `${name}: expected ${size} numbers (${shape.join(' x ')}), received ${length ?? describe(data)}`,
  );
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no object. */
export function requireOptions(method: string, options: object): void {
  requireObject(`options of ${method}`, options);
}

export function requireOneOf<Value extends string>(name: string, allowed: readonly Value[], value: Value): Value {
  if (allowed.includes(value)) return value;
  const expected = allowed.map((word) => `'${word}'`).join(' or ');
  throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected ${expected}, received ${describe(value)}`);
}

/** A moment that the model keeps of a tensor. */
export function requireMoment(
  which: Moment,
  model: { optimizer: string; moments(name: string): readonly Moment[] },
  name: string,
): Moment {
  requireOneOf('moment', ['m', 'v'], which);
  if (model.moments(name).includes(which)) return which;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `moment: expected 'm' of ${name}, received ${describe(which)}; the optimizer ${model.optimizer} keeps no other of it`,
  );
}

/** The numbers as the engine takes them, copied only where they are others. */
export function typedNumbers(name: string, data: ArrayLike<number>, isDouble: boolean) {
  if (isDouble) return types.isFloat64Array(data) ? data : Float64Array.from(requireNumbers(name, data));
  return types.isFloat32Array(data) ? data : Float32Array.from(requireNumbers(name, data));
}

/** Anything else in an array would become NaN without a word. */
function requireNumbers(name: string, data: ArrayLike<number>): ArrayLike<number> {
  for (let i = 0; i < data.length && !ArrayBuffer.isView(data); i++) {
    if (typeof data[i] === 'number') continue;
    throw new BurgeonError('ERR_BURGEON_DTYPE', `${name}[${i}]: expected a number, received ${describe(data[i])}`);
  }
  return data;
}

/** What came, in an error message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return Object.prototype.toString.call(value);
  } catch {
    // A proxy that throws.
    return 'an object';
  }
}
