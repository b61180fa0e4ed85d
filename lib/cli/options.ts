// Parsers of option values: each throws commander's error, which names the option, for anything it does not take.

import { InvalidArgumentError, Option } from 'commander';

export function integerAtLeast(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= low) return value;
    throw new InvalidArgumentError(`Expected an integer of at least ${low}.`);
  };
}

export function integerBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected an integer from ${low} to ${high}.`);
  };
}

export function numberBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high) return value;
    throw new InvalidArgumentError(
      high === Infinity ? `Expected a number of at least ${low}.` : `Expected a number from ${low} to ${high}.`,
    );
  };
}

/** Rates above 0 and at most 1, separated by commas. */
export function rateList(text: string): number[] {
  const rates = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (rates.every((rate) => rate > 0 && rate <= 1)) return rates;
  throw new InvalidArgumentError('Expected rates above 0 and at most 1, separated by commas.');
}

/** `all` or an integer of at least 1. */
export function countOrAll(text: string): number | 'all' {
  return text === 'all' ? text : integerAtLeast(1)(text);
}

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([], 'none')
    .argParser((value: string, previous: string[]) => [...previous, value]);
}

export const setOption = () =>
  repeatable(
    '--set <key=value>',
    'change a key of the configuration, e.g. --set optimizer.learningRate=1e-3; repeatable',
  );

export const threadsOption = () =>
  new Option('--threads <n>', 'threads (default: BURGEON_THREADS, or one per available core)').argParser(
    integerAtLeast(1),
  );
