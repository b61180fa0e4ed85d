// Reading a config.json with every problem collected, for huggingface-gpt2.ts and the
// other families, and what is refused of all of them. Pure.

import { checkpointError } from '../formats/checkpoint-error.ts';
import { isJsonObject } from '../formats/json.ts';
import { quote } from '../quote.ts';

export type Json = Readonly<Record<string, unknown>>;

/** JSON can hold numbers that are too large for one, such as 1e999. */
export function isPositive(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) > 0;
}

/** A config.json being read; `finish` throws when anything was wrong. */
export class ConfigReader {
  readonly #json: Json;
  readonly #source: string;
  readonly #problems: string[] = [];

  constructor(json: Json, source: string) {
    this.#json = json;
    this.#source = source;
  }

  report(problem: string): void {
    this.#problems.push(problem);
  }

  /** A positive integer of at most `most`; without `fallback` it must be there. */
  count(key: string, fallback?: number, most = 2 ** 24): number {
    const value = this.#json[key] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most) return value as number;
    const isTooLarge = typeof value === 'number' && value > most;
    this.report(`${key}: expected ${isTooLarge ? `at most ${most}` : 'a positive integer'}, found ${quote(value)}`);
    return 1;
  }

  /** The number of layers: few enough to list their tensors. */
  layers(key: string): number {
    return this.count(key, undefined, 2 ** 12);
  }

  positive(key: string, fallback: number): number {
    const value = this.#json[key] ?? fallback;
    if (isPositive(value)) return value;
    this.report(`${key}: expected a positive number, found ${quote(value)}`);
    return 1;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value === 'boolean') return value;
    this.report(`${key}: expected true or false, found ${quote(value)}`);
    return fallback;
  }

  /** `value` divides the dividend; looked at only while all is well, because both may be stand-ins. */
  divisor(key: string, value: number, of: string, dividend: number): void {
    if (this.#problems.length === 0 && dividend % value !== 0) {
      this.report(`${key}: expected a divisor of ${of} (${dividend}), found ${value}`);
    }
  }

  /** An even number; likewise. */
  even(key: string, value: number): void {
    if (this.#problems.length === 0 && value % 2 !== 0) this.report(`${key}: expected an even number, found ${value}`);
  }

  /** Options that change the function, and the values burgeon implements; absent or null means the first. */
  supports(options: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [option, values] of Object.entries(options)) {
      const value = this.#json[option] ?? values[0];
      if (values.includes(value)) continue;
      this.report(`${option}: burgeon supports ${values.map(quote).join(' or ')}, found ${quote(value)}`);
    }
  }

  /** @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing every problem. */
  finish(): void {
    if (this.#problems.length === 0) return;
    throw checkpointError(`${this.#source}: not a model burgeon can read:\n  ${this.#problems.join('\n  ')}`);
  }
}

/** Types in which transformers runs the three; what their names say is how weights were rounded, and the file has its own. */
const weightTypes = ['float32', 'bfloat16', 'float16', 'float64', 'float', 'half', 'double', 'auto'];

/** Keys under which quantization libraries say what they made of the weights. */
const quantizationKeys = ['quantization_config', 'compression_config', 'quantization'];

/**
 * Integers with scales beside them pass for weights by their names, and mean something else.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for a model that is quantized, or of a type that is not one of weights.
 */
export function requirePlainWeights(json: Json, source: string): void {
  const advice = 'in transformers, load it and save it dequantized, as bfloat16 for example';
  for (const key of quantizationKeys) {
    const value = json[key];
    if (value === undefined || value === null) continue;
    const { quant_method: method, format } = isJsonObject(value) ? value : {};
    const how = method ?? format;
    throw checkpointError(
      `${source}: ${key}: expected weights that are not quantized, found a model that is${how === undefined ? '' : ` (${quote(how)})`}; ${advice}`,
    );
  }
  for (const key of ['torch_dtype', 'dtype']) {
    const value = json[key] ?? undefined;
    if (value === undefined || (typeof value === 'string' && weightTypes.includes(value.replace(/^torch\./, ''))))
      continue;
    throw checkpointError(
      `${source}: ${key}: expected float32, bfloat16, float16 or float64, found ${quote(value)}; ${advice}, or correct ${key} where ` +
        'it is wrong',
    );
  }
}
