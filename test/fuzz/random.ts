// Chance that can be repeated: every trial is a function of the seed, the target and the trial's number.

import { CounterRng } from '../../lib/est/rng.ts';

export class Random {
  readonly #rng: CounterRng;

  constructor(seed: number, ...path: number[]) {
    this.#rng = new CounterRng(seed, 0x66757a7a, ...path);
  }

  below(n: number): number {
    return this.#rng.nextBelow(n);
  }

  happens(share: number): boolean {
    return this.#rng.nextFloat() < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Values that are wrong nearly everywhere, and some that are not. */
  hostile(): unknown {
    return this.pick(hostileValues)();
  }

  /** A copy of plain data with `count` values of it, at any depth, replaced by hostile ones. */
  mutate<Value>(value: Value, count: number): Value {
    let mutated: unknown = value;
    for (let i = 0; i < count; i++) mutated = this.#replaceOne(mutated);
    return mutated as Value;
  }

  /** Bytes with some of them changed, left out, doubled or cut off. */
  damage(bytes: Uint8Array): Buffer {
    const parts = Buffer.from(bytes);
    const at = this.below(parts.length + 1);
    const length = this.below(this.happens(0.5) ? 9 : 200);
    switch (this.below(6)) {
      case 0:
        return parts.subarray(0, at);
      case 1:
        return Buffer.concat([parts.subarray(0, at), parts.subarray(at + length)]);
      case 2:
        return Buffer.concat([parts.subarray(0, at + length), parts.subarray(at)]);
      case 3:
        return parts.fill(this.pick([0, 0x7f, 0x80, 0xff, 0x5b, 0x22]), at, Math.min(parts.length, at + length));
      case 4:
        for (let i = at; i < Math.min(parts.length, at + length); i++) parts[i] = this.below(256);
        return parts;
      default:
        if (parts.length > 0) parts[at % parts.length]! ^= 1 << this.below(8);
        return parts;
    }
  }

  #replaceOne(value: unknown): unknown {
    const isPlain = typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
    const keys = isPlain ? Object.keys(value) : [];
    if (keys.length === 0 || this.happens(0.1)) return this.hostile();
    const copy: Record<string, unknown> = Array.isArray(value)
      ? ([...value] as never)
      : Object.assign(Object.create(Object.getPrototypeOf(value)), value);
    const key = this.pick(keys);
    if (this.happens(0.1)) delete copy[key];
    else copy[key] = this.#replaceOne(copy[key]);
    return copy;
  }
}

/** Of a proxy, or of a property. */
const throwing = {
  get(): never {
    throw new RangeError('not readable');
  },
};

const hostileValues: readonly (() => unknown)[] = [
  ...[undefined, null, true, false, NaN, Infinity, -Infinity, -0, 0, 1, -1, 2, 3, 2.5, 1e-9, 17, 1000].map(
    (v) => () => v,
  ),
  ...[1e9, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, -(2 ** 31)].map((v) => () => v),
  ...['', '2', 'x', '\0', 'NaN', '__proto__', '../..', '\ud800', 'first'].map((v) => () => v),
  () => 'long '.repeat(100_000),
  () => 1n,
  () => Symbol('s'),
  () => () => 1,
  () => [],
  () => [[]],
  () => [1, 2],
  () => new Array(3),
  () => ({}),
  () => ({ length: 3 }),
  () => ({ length: 1e12 }),
  () => Object.create(null),
  () => new Date(0),
  () => /x/,
  () => new Map([[1, 2]]),
  () => Promise.resolve(1),
  () => new Proxy({}, {}),
  () => new Proxy({}, throwing),
  () => new Proxy([1, 2], throwing),
  () => Object.defineProperty([1, 2], 1, throwing),
  () => Object.defineProperty({}, 'seed', { enumerable: true, ...throwing }),
  () => new Int32Array(2),
  () => Int32Array.of(3, 1),
  () => new Float32Array(3).fill(NaN),
  () => new BigInt64Array(2),
  () => new DataView(new ArrayBuffer(4)),
  () => nested(5000),
];

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}
