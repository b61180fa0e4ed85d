// Runs against a baseline: who has the lower held-out loss at equal steps, executed FLOPs and seconds, and what it took to
// reach the baseline's final loss. Runs that differ only by seed are one group, told by mean and spread. Pure.

import { BurgeonError } from '../errors.ts';
import { firstBelow, valueAt } from './curves.ts';
import type { RunData } from './run-data.ts';

/** What can be equal. */
export const budgets = ['step', 'executedFlops', 'trainSeconds'] as const;
export type Budget = (typeof budgets)[number];

/** Parts of the budget that both have spent at which they are compared. */
const parts = [0.25, 0.5, 0.75, 1];

export interface MeanAndSpread {
  mean: number;
  /** Standard deviation over the runs (n - 1); null of one run. */
  spread: number | null;
  /** Runs. */
  n: number;
}

export interface RunGroup {
  name: string;
  runs: string[];
  seeds: number[];
  finalLoss: MeanAndSpread;
  /** Spent at the end. */
  spent: Record<Budget, MeanAndSpread>;
}

/** Losses at a budget that both groups have spent. */
export interface EqualBudget {
  budget: Budget;
  /** Part of the largest budget that all runs of both have spent. */
  part: number;
  at: number;
  baseline: MeanAndSpread;
  other: MeanAndSpread;
  /** Loss of the other less that of the baseline: negative where the other is better. */
  difference: number;
  /** Root of the sum of both variances; null where a group has one run. */
  spread: number | null;
}

/** What it took to reach the baseline's final loss. */
export interface ReachedLoss {
  budget: Budget;
  /** Runs of the other that reached it. */
  reached: number;
  /** Of those; null where none did. */
  needed: MeanAndSpread | null;
  /** Over what the baseline spent to its end; null where none did. */
  ratio: number | null;
}

export interface ComparedGroup extends RunGroup {
  /** Lowest loss of its runs, mean. */
  lowestLoss: MeanAndSpread;
  equal: EqualBudget[];
  toReach: ReachedLoss[];
}

export interface Comparison {
  baseline: RunGroup;
  others: ComparedGroup[];
}

/**
 * Compares groups of runs with that of the first run.
 * @throws {BurgeonError} ERR_BURGEON_DATA where a run has fewer than two evaluations, or there is nothing to compare.
 */
export function compareRuns(runs: readonly RunData[]): Comparison {
  for (const { directory, validation } of runs) {
    const found = validation.loss.length;
    if (found < 2) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${directory}: expected at least two evaluations to compare by, found ${found}; train with validation data and evaluation.every`,
      );
    }
  }
  const groups = [...groupRuns(runs).values()];
  const [first, ...rest] = groups;
  if (first === undefined || rest.length === 0) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `expected runs of at least two configurations, received ${runs.length === 0 ? 'none' : `only runs of that of ${runs[0]!.directory}, which differ by seed at most`}`,
    );
  }
  const baseline = describeGroup(first);
  return { baseline, others: rest.map((group) => compareGroup(first, baseline, group)) };
}

function groupRuns(runs: readonly RunData[]): Map<string, RunData[]> {
  const groups = new Map<string, RunData[]>();
  for (const run of runs) {
    const key = groupKey(run);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return groups;
}

/** Equal for runs that differ only by seed and by what decides nothing. */
function groupKey({ start, directory }: RunData): string {
  if (start === undefined) return directory;
  const { model, initFrom, data, steps, batchSize, sequenceLength, accumulationSteps, est, optimizer, precision } =
    start.config;
  return JSON.stringify([
    ...[model, initFrom, data, steps, batchSize, sequenceLength, accumulationSteps, est, optimizer, precision],
  ]);
}

function describeGroup(runs: readonly RunData[]): RunGroup {
  const spent = (budget: Budget) => meanAndSpread(runs.map(({ validation }) => validation[budget].at(-1) ?? 0));
  return {
    name: runs[0]!.name,
    runs: runs.map(({ name }) => name),
    seeds: runs.flatMap(({ start }) => start?.config.seed ?? []),
    finalLoss: meanAndSpread(runs.map(({ validation }) => validation.loss.at(-1)!)),
    spent: { step: spent('step'), executedFlops: spent('executedFlops'), trainSeconds: spent('trainSeconds') },
  };
}

function compareGroup(base: readonly RunData[], baseline: RunGroup, runs: readonly RunData[]): ComparedGroup {
  const equal = budgets.flatMap((budget) => {
    const most = Math.min(...[...base, ...runs].map(({ validation }) => validation[budget].at(-1) ?? 0));
    return parts.flatMap((part): EqualBudget[] => {
      const lossesAt = (group: readonly RunData[]) =>
        group.map(({ validation }) => valueAt(validation[budget], validation.loss, part * most));
      const [ours, theirs] = [lossesAt(base), lossesAt(runs)];
      if ([...ours, ...theirs].includes(null)) return [];
      const [a, b] = [meanAndSpread(ours as number[]), meanAndSpread(theirs as number[])];
      const spread = a.spread === null || b.spread === null ? null : Math.hypot(a.spread, b.spread);
      return [{ budget, part, at: part * most, baseline: a, other: b, difference: b.mean - a.mean, spread }];
    });
  });
  const toReach = budgets.map((budget): ReachedLoss => {
    const needed = runs.flatMap(
      ({ validation }) => firstBelow(validation[budget], validation.loss, baseline.finalLoss.mean) ?? [],
    );
    if (needed.length === 0) return { budget, reached: 0, needed: null, ratio: null };
    const mean = meanAndSpread(needed);
    return { budget, reached: needed.length, needed: mean, ratio: mean.mean / baseline.spent[budget].mean };
  });
  const lowest = runs.map(({ validation }) => Math.min(...validation.loss.filter((loss) => loss !== null)));
  return { ...describeGroup(runs), lowestLoss: meanAndSpread(lowest), equal, toReach };
}

export function meanAndSpread(values: readonly number[]): MeanAndSpread {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, spread: n > 1 ? Math.sqrt(variance) : null, n };
}
