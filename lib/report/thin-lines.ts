// Chooses the step lines that a picture needs. A large file is cut into buckets of bytes; of each the first line, and those
// with the extremes of loss and gradient norm, so that no spike is lost.

import type { FileLine } from '../files/scan-lines.ts';

/** About the length of a step line. */
const lineBytes = 400;

/** Numbers whose extremes are kept. */
const extremes = [Buffer.from('"loss":'), Buffer.from('"gradientNorm":')];

/** Lines kept of a bucket: the first, and lowest and highest of each. */
const linesPerBucket = 1 + 2 * extremes.length;

interface Candidate {
  text: string;
  number: number;
}

export class LineThinner {
  readonly #bucketBytes: number;
  readonly #keep: (text: string, number: number, isWhole: boolean) => void;
  #bucket = -1;
  #candidates: (Candidate | undefined)[] = [];
  #bounds: number[] = [];

  /**
   * @param size bytes of the file.
   * @param keep is given the chosen lines in order.
   */
  constructor(size: number, maxPoints: number, keep: (text: string, number: number, isWhole: boolean) => void) {
    // Small files are kept whole.
    this.#bucketBytes = size < maxPoints * lineBytes ? 0 : Math.ceil((size * linesPerBucket) / maxPoints);
    this.#keep = keep;
  }

  add(line: FileLine, number: number): void {
    const textOf = () => line.chunk.toString('utf8', line.begin, line.end);
    if (this.#bucketBytes === 0) {
      this.#keep(textOf(), number, true);
      return;
    }
    const bucket = Math.floor(line.offset / this.#bucketBytes);
    if (bucket !== this.#bucket) {
      this.flush();
      this.#bucket = bucket;
      this.#candidates = [{ text: textOf(), number }];
      this.#bounds = extremes.flatMap(() => [Infinity, -Infinity]);
    }
    for (const [i, key] of extremes.entries()) {
      const value = numberAfter(line, key);
      if (value < this.#bounds[2 * i]!) this.#choose(2 * i, value, textOf(), number);
      if (value > this.#bounds[2 * i + 1]!) this.#choose(2 * i + 1, value, textOf(), number);
    }
  }

  #choose(bound: number, value: number, text: string, number: number): void {
    this.#bounds[bound] = value;
    this.#candidates[bound + 1] = { text, number };
  }

  /** Hands out what is chosen so far; before a line of another kind, so that the order stays. */
  flush(): void {
    const chosen = new Map(this.#candidates.flatMap((line) => (line ? [[line.number, line.text] as const] : [])));
    for (const [number, text] of [...chosen].sort(([a], [b]) => a - b)) this.#keep(text, number, true);
    this.#candidates = [];
    this.#bucket = -1;
  }
}

/** The number that follows a key; NaN without one, which is no extreme. */
function numberAfter({ chunk, begin, end }: FileLine, key: Buffer): number {
  const at = chunk.indexOf(key, begin);
  return at < 0 || at >= end ? Number.NaN : readNumber(chunk, at + key.length);
}

const [zero, nine, minus, point, exponent] = [...'09-.e'].map((character) => character.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];

/** Close enough to compare by, and several times as fast as making a string of it first. */
function readNumber(chunk: Buffer, begin: number): number {
  let at = begin;
  const sign = chunk[at] === minus ? -1 : 1;
  if (sign < 0) at++;
  let value = 0;
  let scale = 0;
  for (; ; at++) {
    const byte = chunk[at]!;
    if (byte >= zero && byte <= nine) {
      value = 10 * value + (byte - zero);
      scale *= 10;
    } else if (byte === point) scale = 1;
    else break;
  }
  if (at === begin) return Number.NaN;
  const power = chunk[at] === exponent ? 10 ** Number.parseInt(chunk.toString('latin1', at + 1, at + 5), 10) : 1;
  return (sign * value * power) / (scale || 1);
}
