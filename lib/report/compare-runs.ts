// Runs against a baseline: who has the lower held-out loss at equal steps, executed FLOPs and seconds, what it took to
// reach the baseline's final loss, and the compute gain where there are dense runs of several lengths. Runs that differ
// only by seed are one group, told by mean and spread. Pure.

import { BurgeonError } from '../errors.ts';
import { comparableLosses, type LossUnit } from './comparable-losses.ts';
import { type ConfigDifference, configDifferences } from './config-differences.ts';
import { firstBelow, valueAt } from './curves.ts';
import { type Control, compareGains, findControls, type GainComparison } from './gain-comparison.ts';
import { type Difference, differenceOf, type MeanAndSpread, meanAndSpread } from './mean-and-spread.ts';
import type { RunData } from './run-data.ts';
import { type ConfigGroup, groupRuns } from './run-groups.ts';
import { sharedName } from './shared-name.ts';

/** What can be equal. */
export const budgets = ['step', 'executedFlops', 'trainSeconds'] as const;
export type Budget = (typeof budgets)[number];

/** Parts of the budget that both have spent at which they are compared. */
const parts = [0.25, 0.5, 0.75, 1];

export interface RunGroup {
  name: string;
  runs: string[];
  seeds: number[];
  finalLoss: MeanAndSpread;
  /** Spent at the end. */
  spent: Record<Budget, MeanAndSpread>;
}

/** Losses at a budget that both groups have spent. */
export interface EqualBudget extends Difference {
  budget: Budget;
  /** Part of the largest budget that all runs of both have spent. */
  part: number;
  at: number;
  baseline: MeanAndSpread;
  other: MeanAndSpread;
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
  /** Keys of the configurations that are not as in the baseline's. */
  differences: ConfigDifference[];
  /** Lowest loss of its runs, mean. */
  lowestLoss: MeanAndSpread;
  equal: EqualBudget[];
  toReach: ReachedLoss[];
}

export interface Comparison {
  /** Of all losses in it. */
  unit: LossUnit;
  baseline: RunGroup;
  others: ComparedGroup[];
  /** null without complete dense runs of at least two lengths. */
  gain: GainComparison | null;
  controls: Control[];
  /** For people: what was converted, left out, or cannot be told. */
  notes: string[];
}

/**
 * Compares groups of runs with that of the first run.
 * @throws {BurgeonError} ERR_BURGEON_DATA where a run has fewer than two evaluations, losses are not of the same tokens, or
 *   there is nothing to compare.
 */
export function compareRuns(given: readonly RunData[]): Comparison {
  for (const { directory, validation } of given) {
    const found = validation.loss.length;
    if (found < 2) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${directory}: expected at least two evaluations to compare by, found ${found}; train with validation data and evaluation.every`,
      );
    }
  }
  const groupsGiven = groupRuns(given);
  if (groupsGiven.length < 2) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `expected runs of at least two configurations, received ${given.length === 0 ? 'none' : `only runs of that of ${given[0]!.directory}, which differ by seed at most`}`,
    );
  }
  const { unit, runs, notes } = comparableLosses(given);
  const groups = groupRuns(runs);
  const [first, ...rest] = groups as [ConfigGroup, ...ConfigGroup[]];
  const baseline = describeGroup(first);
  const gains = compareGains(groups);
  return {
    unit,
    baseline,
    others: rest.map((group) => compareGroup(first, baseline, group)),
    gain: gains.comparison,
    controls: findControls(groups),
    notes: [...notes, ...gains.notes],
  };
}

function describeGroup({ runs, configs }: ConfigGroup): RunGroup {
  const spent = (budget: Budget) => meanAndSpread(runs.map(({ validation }) => validation[budget].at(-1) ?? 0));
  return {
    name: sharedName(runs),
    runs: runs.map(({ name }) => name),
    seeds: configs.map(({ seed }) => seed),
    finalLoss: meanAndSpread(runs.map(({ validation }) => validation.loss.at(-1)!)),
    spent: { step: spent('step'), executedFlops: spent('executedFlops'), trainSeconds: spent('trainSeconds') },
  };
}

function compareGroup(base: ConfigGroup, baseline: RunGroup, { runs, ...group }: ConfigGroup): ComparedGroup {
  const equal = budgets.flatMap((budget) => {
    const most = Math.min(...[...base.runs, ...runs].map(({ validation }) => validation[budget].at(-1) ?? 0));
    return parts.flatMap((part): EqualBudget[] => {
      const lossesAt = (compared: readonly RunData[]) =>
        compared.map(({ validation }) => valueAt(validation[budget], validation.loss, part * most));
      const [ours, theirs] = [lossesAt(base.runs), lossesAt(runs)];
      if ([...ours, ...theirs].includes(null)) return [];
      const [a, b] = [meanAndSpread(ours as number[]), meanAndSpread(theirs as number[])];
      return [{ budget, part, at: part * most, baseline: a, other: b, ...differenceOf(a, b) }];
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
  return {
    ...describeGroup({ runs, ...group }),
    differences: configDifferences(base.configs, group.configs),
    lowestLoss: meanAndSpread(lowest),
    equal,
    toReach,
  };
}
