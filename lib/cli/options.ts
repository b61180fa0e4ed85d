// Parsers of option values: each throws commander's error, which names the option, for anything it does not take.

import { InvalidArgumentError, Option } from 'commander';
import { type Device, deviceWords, isDevice } from '../config/device.ts';
import type { Keep } from '../est/keep.ts';
import type { ModelOptions } from '../model/options.ts';

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

export function numberAbove(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value > low && value < Infinity) return value;
    throw new InvalidArgumentError(`Expected a number above ${low}.`);
  };
}

/** Rates above 0 and at most 1, separated by commas. */
export function rateList(text: string): number[] {
  const rates = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (rates.every((rate) => rate > 0 && rate <= 1)) return rates;
  throw new InvalidArgumentError('Expected rates above 0 and at most 1, separated by commas.');
}

/** Numbers of units such as `0-3,5`, or a share of them with a decimal point, such as `0.5`. */
export function listOrShare(text: string): Keep {
  const parts = text.split(',').map((part) => /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()));
  const ranges = parts.map((match) => (match ? [Number(match[1]), Number(match[2] ?? match[1])] : [1, 0]));
  if (ranges.every(([first, last]) => first! <= last!)) {
    const units = new Set<number>();
    for (const [first, last] of ranges) for (let unit = first!; unit <= last!; unit++) units.add(unit);
    return { list: [...units].sort((a, b) => a - b) };
  }
  const rate = /^\d*\.\d+$/.test(text.trim()) ? Number(text) : 0;
  if (rate > 0 && rate <= 1) return { rate };
  throw new InvalidArgumentError('Expected a list such as 0-3,5 or a share such as 0.5, above 0 and at most 1.0.');
}

/** `all` or an integer of at least 1. */
export function countOrAll(text: string): number | 'all' {
  return text === 'all' ? text : integerAtLeast(1)(text);
}

/** An option that may be given several times. @param unless what holds without it, in words. */
export function repeatable(flags: string, description: string, unless = 'none'): Option {
  return new Option(flags, description)
    .default([], unless)
    .argParser((value: string, previous: string[]) => [...previous, value]);
}

export const configArgumentHelp =
  'training configuration, YAML or JSON, or the name of one that comes with the package (`burgeon presets`)';

export const bestOption = () =>
  new Option('--best', 'of a run directory: the checkpoint with the lowest held-out loss, not the newest');

export const setOption = () =>
  repeatable(
    '--set <key=value>',
    'change a key of the configuration, e.g. --set optimizer.learningRate=1e-3; repeatable',
  );

export const textColumnOption = () =>
  repeatable(
    '--text-column <[input=]name>',
    'field of .jsonl and .json, and column of .parquet that holds the text; of one input: INPUT=NAME, the input as it is given; repeatable',
    'text',
  );

export const deviceOption = () =>
  new Option('--device <name>', `what computes: ${deviceWords} (default: auto)`).argParser((word: string): Device => {
    if (isDevice(word)) return word;
    throw new InvalidArgumentError(`Expected ${deviceWords}.`);
  });

/** What a model is opened with, from the two options. */
export function engineOptions(flags: { threads?: number; device?: Device }): ModelOptions {
  return {
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    ...(flags.device === undefined ? {} : { device: flags.device }),
  };
}

export const threadsOption = () =>
  new Option('--threads <n>', 'threads (default: BURGEON_THREADS, or one per available core)').argParser(
    integerAtLeast(1),
  );

/** A number of processes that can train together. */
export const ranksOption = (description: string, most = 1024, name = 'ranks') =>
  new Option(`--${name} <n>`, description).argParser(integerBetween(1, most));
