// Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). A stream is a pure function of a seed and a path of integers, for example
// (seed, step, group, layer, dimension), so there is no generator state to save and nothing to share between ranks.
// Everything in burgeon that is random draws from here: subnetworks, initial weights, data order, sampling of text.

import { BurgeonError } from '../errors.ts';
import { quote } from '../quote.ts';

/** Threefry's parity constant (the Skein key schedule). */
const keyParity = 0x1bd11bda;

/** Second counter word of every draw. No path element has it (their high words fit in 21 bits and the sign), so draws never equal derived keys. */
const drawDomain = 0x40000000;

const twoTo32 = 2 ** 32;
const twoToMinus32 = 2 ** -32;
const twoToMinus53 = 2 ** -53;

/** Where `encrypt` leaves its two words: a shared pair instead of an allocation per call. */
const output = new Int32Array(2);

/** One Threefry-2x32-20 block into `output`. Four rounds, then a key injection, five times. */
function encrypt(k0: number, k1: number, c0: number, c1: number): void {
  let a = k0 | 0;
  let b = k1 | 0;
  let c = keyParity ^ a ^ b;
  let x = (c0 + a) | 0;
  let y = (c1 + b) | 0;
  for (let injection = 1; injection <= 5; injection++) {
    if (injection & 1) {
      x = (x + y) | 0;
      y = ((y << 13) | (y >>> 19)) ^ x;
      x = (x + y) | 0;
      y = ((y << 15) | (y >>> 17)) ^ x;
      x = (x + y) | 0;
      y = ((y << 26) | (y >>> 6)) ^ x;
      x = (x + y) | 0;
      y = ((y << 6) | (y >>> 26)) ^ x;
    } else {
      x = (x + y) | 0;
      y = ((y << 17) | (y >>> 15)) ^ x;
      x = (x + y) | 0;
      y = ((y << 29) | (y >>> 3)) ^ x;
      x = (x + y) | 0;
      y = ((y << 16) | (y >>> 16)) ^ x;
      x = (x + y) | 0;
      y = ((y << 24) | (y >>> 8)) ^ x;
    }
    // The three key words take turns: (b, c), (c, a), (a, b), ...
    const first = a;
    a = b;
    b = c;
    c = first;
    x = (x + a) | 0;
    y = (y + b + injection) | 0;
  }
  output[0] = x;
  output[1] = y;
}

/**
 * The Threefry-2x32-20 block function.
 * @param k0 @param k1 key words, 32 bits each (signed or unsigned).
 * @param c0 @param c1 counter words, likewise.
 * @returns the two output words, unsigned. Checked against the known-answer vectors of Random123.
 */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number): [number, number] {
  encrypt(k0, k1, c0, c1);
  return [output[0]! >>> 0, output[1]! >>> 0];
}

/** The high 32 bits of a safe integer in two's complement (21 significant bits and the sign). */
function highWord(value: number): number {
  return Math.floor(value / twoTo32) | 0;
}

function requireSafeInteger(value: number, what: string): void {
  if (!Number.isSafeInteger(value)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${what}: expected an integer between -(2^53 - 1) and 2^53 - 1, received ${quote(value)}`,
    );
  }
}

/**
 * A random stream, fixed by a seed and a path of integers.
 *
 * Key: starts as the two 32-bit halves (low, high) of the seed; each path element p replaces it by
 * threefry(key, (low(p), high(p))). Draw number i (0-based) is word i mod 2 of threefry(key, (i div 2, 2^30)).
 * Different seeds or paths therefore give unrelated streams, and a stream is 2^33 words long before it repeats.
 */
export class CounterRng {
  readonly #k0: number;
  readonly #k1: number;
  #block = 0;
  #hasSpare = false;
  #spare = 0;

  /**
   * @param seed any safe integer.
   * @param path safe integers that name the stream within the seed.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for anything else.
   */
  constructor(seed: number, ...path: number[]) {
    requireSafeInteger(seed, 'seed');
    let k0 = seed | 0;
    let k1 = highWord(seed);
    for (let i = 0; i < path.length; i++) {
      const element = path[i]!;
      requireSafeInteger(element, `random stream path[${i}]`);
      encrypt(k0, k1, element | 0, highWord(element));
      k0 = output[0]!;
      k1 = output[1]!;
    }
    this.#k0 = k0;
    this.#k1 = k1;
  }

  /** The next 32 random bits, in [0, 2^32). */
  nextUint32(): number {
    if (this.#hasSpare) {
      this.#hasSpare = false;
      return this.#spare >>> 0;
    }
    encrypt(this.#k0, this.#k1, this.#block, drawDomain);
    this.#block = (this.#block + 1) | 0;
    this.#hasSpare = true;
    this.#spare = output[1]!;
    return output[0]! >>> 0;
  }

  /** Uniform in [0, 1) with 53 random bits; takes two words. */
  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x4000000 + low) * twoToMinus53;
  }

  /**
   * Uniform in {0, ..., n - 1}, without bias: words from the last, incomplete run of n are drawn again.
   * @param n an integer in [1, 2^32]; not checked, this is an inner loop.
   */
  nextBelow(n: number): number {
    for (;;) {
      const word = this.nextUint32();
      const remainder = word % n;
      if (word - remainder + n <= twoTo32) return remainder;
    }
  }
}

/**
 * Fills `out` with independent normal values, mean 0 and the given standard deviation (Box-Muller).
 * Uses 32-bit uniforms in (0, 1), so values stay within 6.77 standard deviations. An odd last element takes a whole pair.
 * @returns `out`.
 */
export function fillNormal(rng: CounterRng, out: Float32Array, std: number): Float32Array {
  for (let i = 0; i < out.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log((rng.nextUint32() + 0.5) * twoToMinus32));
    const angle = 2 * Math.PI * ((rng.nextUint32() + 0.5) * twoToMinus32);
    out[i] = radius * Math.cos(angle);
    // Writing one past the end of a typed array does nothing.
    out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/**
 * A uniformly random order of 0, ..., n - 1 (Fisher-Yates).
 * @param n an integer in [0, 2^32).
 */
export function permutation(rng: CounterRng, n: number): Uint32Array {
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    // Inside-out form: initialises and shuffles in one pass.
    const j = rng.nextBelow(i + 1);
    order[i] = order[j]!;
    order[j] = i;
  }
  return order;
}
