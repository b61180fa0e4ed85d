// Two measurements of the same things: which became slower, and by so much that it is no noise? Pure.

import { BurgeonError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { BenchEntry, BenchFile, OldBenchFile } from './result-file.ts';
import { type Spread, spreadOf, unpairedRatio } from './statistics.ts';

export interface ComparedEntry {
  key: string;
  /** Time of the new over the old, so above 1 is slower; rates are turned over. Quartiles are those of all pairs. */
  ratio: Spread;
  /** Beyond the threshold, and the quartile ranges of both do not overlap. */
  verdict: 'slower' | 'faster' | 'same';
}

export interface Comparison {
  entries: ComparedEntry[];
  /** Keys that only one of both has. */
  onlyOld: string[];
  onlyNew: string[];
  /** What differs between the machines, as "name: old, now new". */
  differences: string[];
  hasRegression: boolean;
}

/** Facts of the machine that make a difference to timing. */
const facts = (machine: Partial<Machine>) => ({
  processor: machine.processor,
  cores: machine.cores,
  device: machine.cuda?.name,
  isa: machine.isa,
  node: machine.node,
});

/**
 * Compares by key.
 * @param threshold share beyond which a change counts, for example 0.1.
 * @param oldName of the old file, for messages.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the files hold different benches or no key in common.
 */
export function compareBenches(before: OldBenchFile, after: BenchFile, threshold: number, oldName: string): Comparison {
  if (before.bench !== after.bench) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${oldName}: expected results of \`burgeon bench ${after.bench}\` to compare with, found those of \`burgeon bench ${before.bench}\``,
    );
  }
  const old = new Map(before.entries.map((entry) => [entry.key, entry]));
  const common = after.entries.filter(({ key, unit }) => old.get(key)?.unit === unit);
  if (common.length === 0) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${oldName}: expected an entry like "${after.entries[0]?.key}" to compare with, found none of this run's ${after.entries.length} (it has for example "${before.entries[0]?.key}"); measure both with the same arguments`,
    );
  }
  const keys = new Set(common.map(({ key }) => key));
  const entries = common.map((entry) => compareEntry(old.get(entry.key)!, entry, threshold));
  return {
    entries,
    onlyOld: before.entries.map(({ key }) => key).filter((key) => !keys.has(key)),
    onlyNew: after.entries.map(({ key }) => key).filter((key) => !keys.has(key)),
    differences: differencesOf(facts(before.machine), facts(after.machine)),
    hasRegression: entries.some(({ verdict }) => verdict === 'slower'),
  };
}

function differencesOf(old: object, now: object): string[] {
  const values = new Map(Object.entries(now));
  return Object.entries(old)
    .filter(([name, value]) => value !== values.get(name))
    .map(([name, value]) => `${name}: ${value}, now ${values.get(name)}`);
}

function compareEntry(before: BenchEntry, after: BenchEntry, threshold: number): ComparedEntry {
  const times = ({ unit, samples }: BenchEntry) => (unit === 'ms' ? samples : samples.map((value) => 1 / value));
  const [old, now] = [times(before), times(after)];
  const ratio = unpairedRatio(now, old);
  const [oldSpread, nowSpread] = [spreadOf(old), spreadOf(now)];
  const isSlower = ratio.median > 1 + threshold && nowSpread.low > oldSpread.high;
  const isFaster = ratio.median < 1 / (1 + threshold) && nowSpread.high < oldSpread.low;
  return { key: after.key, ratio, verdict: isSlower ? 'slower' : isFaster ? 'faster' : 'same' };
}
