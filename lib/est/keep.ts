// Which layers, heads and neurons to keep of a model that is to become smaller: listed, or a share of them, the most
// important ones or, where nothing is known about that, evenly spread ones. Pure; importance is measured elsewhere.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { activeCount } from './sampler.ts';

/** Units to keep: these, or a share in (0, 1]. */
export type Keep = { readonly list: readonly number[] } | { readonly rate: number };

export const keepKinds = ['layers', 'heads', 'neurons'] as const;
export type KeepKind = (typeof keepKinds)[number];

/**
 * What to keep; absent: all. The same list, or as many, in every layer. Heads are key and value heads, each with the query
 * heads that share it.
 */
export type KeepRules = Readonly<Partial<Record<KeepKind, Keep>>>;

/** Units of a kind: of the model, or of each of its layers. */
export function unitCount(model: ModelConfig, kind: KeepKind): number {
  if (kind === 'heads') return architectureOf(model).nKvHead;
  return kind === 'layers' ? model.nLayer : model.nInner;
}

/** How many of `n` units are kept. */
export function keptCount(keep: Keep | undefined, n: number): number {
  if (keep === undefined) return n;
  return 'list' in keep ? keep.list.length : activeCount(keep.rate, n);
}

/**
 * Checks that lists are ascending and of units that the model has.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG naming the kind.
 */
export function checkKeepRules(model: ModelConfig, rules: KeepRules): void {
  for (const kind of keepKinds) {
    const keep = rules[kind];
    if (keep === undefined || !('list' in keep)) continue;
    const n = unitCount(model, kind);
    const isAscending = keep.list.every((unit, i) => i === 0 || unit > keep.list[i - 1]!);
    const stranger = keep.list.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < n));
    if (isAscending && stranger === undefined && keep.list.length > 0) continue;
    const found = stranger ?? `${keep.list.join(',') || 'none'}`;
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${kind} to keep: expected ascending numbers from 0 to ${n - 1}, received ${found}`,
    );
  }
}

/**
 * The units to keep of `n`, ascending; undefined for all.
 * @param importance of each unit; the earlier one wins a tie. Absent: evenly spread units, the first and last among them.
 */
export function chooseUnits(keep: Keep | undefined, n: number, importance?: Float64Array): Int32Array | undefined {
  const count = keptCount(keep, n);
  if (keep === undefined || count === n) return undefined;
  if ('list' in keep) return Int32Array.from(keep.list);
  if (importance === undefined) {
    return Int32Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (n - 1)) / (count - 1))));
  }
  const byImportance = Array.from(importance.keys()).sort((a, b) => importance[b]! - importance[a]! || a - b);
  return Int32Array.from(byImportance.slice(0, count)).sort();
}
