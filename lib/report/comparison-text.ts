// A comparison in words and cells, the same for terminal and page. Pure.

import { count, duration, percent } from '../format.ts';
import type { Budget, ComparedGroup, Comparison, EqualBudget, MeanAndSpread } from './compare-runs.ts';

const budgetNames: Record<Budget, string> = { step: 'steps', executedFlops: 'executed FLOPs', trainSeconds: 'seconds' };

export function amount(budget: Budget, value: number): string {
  if (budget === 'step') return `${count(value)} steps`;
  return budget === 'executedFlops' ? `${count(value)}FLOP` : duration(1000 * value);
}

export function lossText({ mean, spread }: MeanAndSpread): string {
  return spread === null ? mean.toFixed(4) : `${mean.toFixed(4)} ± ${spread.toFixed(4)}`;
}

/** "0.0412 ± 0.0100 lower", seen from the group that is compared. */
export function differenceText({ difference, spread }: EqualBudget): string {
  const size = Math.abs(difference).toFixed(4);
  const about = spread === null ? size : `${size} ± ${spread.toFixed(4)}`;
  if (spread !== null && Math.abs(difference) <= spread) return `${about}: within the spread of the seeds`;
  return `${about} ${difference < 0 ? 'lower' : 'higher'}`;
}

/** Names of a group: of its only run, or with the number of runs. */
export function groupName({ name, runs }: { name: string; runs: readonly string[] }): string {
  return runs.length === 1 ? name : `${name} (${runs.length} seeds)`;
}

/** What it took to reach the baseline's final loss. */
export function headline({ baseline }: Comparison, other: ComparedGroup): string {
  const target = `the final loss of ${groupName(baseline)}, ${baseline.finalLoss.mean.toFixed(4)}`;
  const reached = other.toReach[0]!.reached;
  if (reached === 0) {
    const gap = other.lowestLoss.mean - baseline.finalLoss.mean;
    return `${groupName(other)} did not reach ${target}: its lowest is ${other.lowestLoss.mean.toFixed(4)}, ${gap.toFixed(4)} higher`;
  }
  const needs = other.toReach
    .filter(({ budget }) => budget !== 'step')
    .map(
      ({ budget, needed, ratio }) =>
        `${percent(ratio!)} of its ${budgetNames[budget]} (${amount(budget, needed!.mean)})`,
    );
  const some = reached < other.runs.length ? ` (${reached} of ${other.runs.length} runs)` : '';
  return `${groupName(other)} needed ${needs.join(' and ')} to reach ${target}${some}`;
}

export const comparisonHead = ['at equal', 'amount', 'baseline', 'other', 'the other is'];

/** Rows of a table with the columns of `comparisonHead`. */
export function comparisonRows(other: ComparedGroup): string[][] {
  return other.equal.map((row) => [
    `${budgetNames[row.budget]}, ${percent(row.part, 0)}`,
    amount(row.budget, row.at),
    lossText(row.baseline),
    lossText(row.other),
    differenceText(row),
  ]);
}
