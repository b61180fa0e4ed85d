// bfloat16 and binary16: every pattern there and back, and rounding, against arithmetic that does not use the code's bits.

import { describe, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../../lib/formats/half-floats.ts';

const everyPattern = Uint16Array.from({ length: 65_536 }, (_, pattern) => pattern);

const formats = [
  {
    name: 'bfloat16',
    decode: decodeBfloat16,
    encode: encodeBfloat16,
    fractionBits: 7,
    minExponent: -126,
    largest: (2 - 2 ** -7) * 2 ** 127,
    quietNaN: 0x7fc0,
    infinity: 0x7f80,
  },
  {
    name: 'float16',
    decode: decodeFloat16,
    encode: encodeFloat16,
    fractionBits: 10,
    minExponent: -14,
    largest: 65_504,
    quietNaN: 0x7e00,
    infinity: 0x7c00,
  },
];

/** Rounded to the format's grid, ties to even: in doubles, where all of it is exact. */
function rounded(value: number, { fractionBits, minExponent, largest }: (typeof formats)[number]): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), minExponent);
  const unit = 2 ** (exponent - fractionBits);
  const units = Math.abs(value) / unit;
  const [below, rest] = [Math.floor(units), units - Math.floor(units)];
  const nearest = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  const magnitude = nearest * unit > largest ? Infinity : nearest * unit;
  return value < 0 ? -magnitude : magnitude;
}

describe.each(formats)('$name', (format) => {
  const { decode, encode, fractionBits, largest, infinity, quietNaN } = format;
  const encodeOne = (value: number) => encode(Float32Array.of(value))[0]!;
  const decodeOne = (pattern: number) => decode(Uint16Array.of(pattern))[0]!;

  test('every pattern survives decoding and encoding; NaNs stay NaNs', () => {
    const decoded = decode(everyPattern);
    const encoded = encode(decoded);
    const changed = everyPattern.filter((pattern) => !Number.isNaN(decoded[pattern]) && encoded[pattern] !== pattern);
    expect([...changed]).toEqual([]);
    const isNaNPattern = (pattern: number) => (pattern & 0x7fff) > infinity;
    expect(decoded.every((value, pattern) => Number.isNaN(value) === isNaNPattern(pattern))).toBe(true);
    expect(encoded.every((pattern) => Number.isNaN(decodeOne(pattern)) === isNaNPattern(pattern))).toBe(true);
  });

  test('positive patterns are in ascending order, and negative ones their mirror', () => {
    const decoded = decode(everyPattern.subarray(0, infinity + 1));
    expect(decoded.every((value, i) => i === 0 || value > decoded[i - 1]!)).toBe(true);
    const mirrored = decode(everyPattern.subarray(0x8000, 0x8000 + infinity + 1));
    expect(mirrored.every((value, i) => Object.is(value, -decoded[i]!))).toBe(true);
    expect([decodeOne(infinity - 1), decodeOne(infinity)]).toEqual([largest, Infinity]);
  });

  test('values between two neighbours round to the nearer, ties to the even one', () => {
    const finite = decode(everyPattern.subarray(0, infinity));
    for (let pattern = 0; pattern < infinity - 1; pattern++) {
      const [low, high] = [finite[pattern]!, finite[pattern + 1]!];
      // Exact: a float32 has more fraction bits than either format, and a lower smallest exponent.
      const middle = (low + high) / 2;
      const even = pattern % 2 === 0 ? pattern : pattern + 1;
      if (encodeOne(middle) !== even || encodeOne(-middle) !== (even | 0x8000)) {
        expect.fail(`${middle} between ${pattern} and ${pattern + 1} became ${encodeOne(middle)}`);
      }
      const [before, after] = [nextFloat(middle, -1), nextFloat(middle, 1)];
      if (encodeOne(before) !== pattern) expect.fail(`${before} is nearer to ${low}`);
      if (encodeOne(after) !== pattern + 1) expect.fail(`${after} is nearer to ${high}`);
    }
  });

  test('random float32 patterns round as the definition says', () => {
    const rng = new CounterRng(5, 0);
    const bits = Uint32Array.from({ length: 20_000 }, () => rng.nextBelow(2 ** 31) * 2 + rng.nextBelow(2));
    // A third of them in the range of a binary16.
    for (let i = 0; i < bits.length; i += 3) bits[i] = (bits[i]! & 0x8fffffff) | 0x30000000;
    const values = new Float32Array(bits.buffer);
    const result = decode(encode(values));
    for (const [i, value] of values.entries()) {
      if (!Object.is(result[i], rounded(value, format))) {
        expect.fail(`${value} became ${result[i]}, expected ${rounded(value, format)}`);
      }
    }
  });

  test('overflow, infinities, NaN and signed zeros', () => {
    // Half a unit above the largest rounds up, to infinity: the largest is odd.
    const limit = largest + (largest - decodeOne(infinity - 2)) / 2;
    expect(encodeOne(limit)).toBe(infinity);
    expect(encodeOne(-limit)).toBe(infinity | 0x8000);
    expect(encodeOne(nextFloat(limit, -1))).toBe(infinity - 1);
    expect(encodeOne(Infinity)).toBe(infinity);
    expect(encodeOne(-Infinity)).toBe(infinity | 0x8000);
    expect(encodeOne(Number.NaN) & 0x7fff).toBe(quietNaN);
    expect([encodeOne(0), encodeOne(-0)]).toEqual([0, 0x8000]);
  });

  test('the smallest subnormal, and half of it', () => {
    const smallest = decodeOne(1);
    expect(smallest).toBe(2 ** (format.minExponent - fractionBits));
    expect(encodeOne(smallest / 2)).toBe(0);
    expect(encodeOne(nextFloat(smallest / 2, 1))).toBe(1);
    expect(encodeOne(-smallest / 2)).toBe(0x8000);
    expect(encodeOne(1.5 * smallest)).toBe(2);
  });

  test('reads a view into a larger buffer', () => {
    const values = Float32Array.of(9, 1, -2, 9).subarray(1, 3);
    expect([...decode(encode(values))]).toEqual([1, -2]);
  });
});

/** The neighbouring float32 of a positive one. */
function nextFloat(value: number, direction: 1 | -1): number {
  const float = Float32Array.of(value);
  new Uint32Array(float.buffer)[0]! += direction;
  return float[0]!;
}
