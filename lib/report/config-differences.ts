// Which keys differ between the configurations of two groups of runs. Pure.

import type { TrainConfig } from '../train/train-config.ts';

export interface ConfigDifference {
  /** With its sections: "optimizer.learningRate". */
  key: string;
  /** The values that runs of either group have, each once; undefined where a configuration lacks the key. */
  baseline: unknown[];
  other: unknown[];
}

/**
 * All keys whose values are not the same in both groups; none where a configuration is not known. Where a run writes to
 * always differs and is left out.
 */
export function configDifferences(baseline: readonly TrainConfig[], other: readonly TrainConfig[]): ConfigDifference[] {
  if (baseline.length === 0 || other.length === 0) return [];
  const [ours, theirs] = [baseline, other].map((configs) => configs.map((config) => leaves(config))) as [
    Leaves[],
    Leaves[],
  ];
  const keys = new Set([...ours, ...theirs].flatMap((config) => [...config.keys()]));
  keys.delete('output');
  return [...keys].flatMap((key): ConfigDifference[] => {
    const [a, b] = [distinct(ours, key), distinct(theirs, key)];
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ key, baseline: a, other: b }];
  });
}

/** "a" or "a, b"; lists and sections as in YAML. */
export function valuesText(values: readonly unknown[]): string {
  return values.map((value) => (value === undefined ? 'none' : flow(value))).join(', ');
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'number') return String(Number(value.toPrecision(12)));
  if (!isSection(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, entry]) => `${key}: ${flow(entry)}`)
    .join(', ')}}`;
}

/** The values under their full keys; a list is one value. */
type Leaves = Map<string, unknown>;

function leaves(section: object, prefix = ''): Leaves {
  return new Map(
    Object.entries(section).flatMap(([name, value]): [string, unknown][] =>
      isSection(value) ? [...leaves(value, `${prefix}${name}.`)] : [[prefix + name, value]],
    ),
  );
}

function distinct(configs: readonly Leaves[], key: string): unknown[] {
  return [...new Map(configs.map((config) => [JSON.stringify(config.get(key)), config.get(key)])).entries()]
    .sort(([a = ''], [b = '']) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([, value]) => value);
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
