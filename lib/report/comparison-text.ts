// A comparison in words and cells, the same for terminal and page. Pure.

import { count, counted, duration, percent, plural } from '../format.ts';
import type { Budget, ComparedGroup, Comparison, RunGroup } from './compare-runs.ts';
import { type ConfigDifference, valuesText } from './config-differences.ts';
import type { Difference, MeanAndSpread } from './mean-and-spread.ts';

const budgetNames: Record<Budget, string> = { step: 'steps', executedFlops: 'executed FLOPs', trainSeconds: 'seconds' };
/** Of rows, where a note says which FLOPs. */
const rowNames: Record<Budget, string> = { ...budgetNames, executedFlops: 'FLOPs' };

export function amount(budget: Budget, value: number): string {
  if (budget === 'step') return `${count(value)} ${plural(value, 'step')}`;
  return budget === 'executedFlops' ? `${count(value)}FLOP` : duration(1000 * value);
}

export function lossText({ mean, spread }: MeanAndSpread): string {
  return withSpread(mean.toFixed(4), spread);
}

/** "0.0412 ± 0.0100 lower", seen from the group that is compared; "0.0012 within ± 0.0100" where seeds explain it. */
export function differenceText({ difference, spread, isBeyondSpread }: Difference): string {
  const size = Math.abs(difference).toFixed(4);
  if (isBeyondSpread === false) return `${size} within ± ${spread!.toFixed(4)}`;
  return `${withSpread(size, spread)} ${difference < 0 ? 'lower' : 'higher'}`;
}

function withSpread(mean: string, spread: number | null): string {
  return spread === null ? mean : `${mean} ± ${spread.toFixed(4)}`;
}

/** Names of a group: of its only run, or with the number of runs. */
export function groupName({ name, runs }: { name: string; runs: readonly unknown[] }): string {
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
  const some = reached < other.runs.length ? ` (${reached} of ${counted(other.runs.length, 'run')})` : '';
  return `${groupName(other)} needed ${needs.join(' and ')} to reach ${target}${some}`;
}

/** Heads of the columns of `comparisonRows`. */
export function comparisonHead(baseline: RunGroup, other: RunGroup): string[] {
  return ['at equal', 'amount', groupName(baseline), groupName(other), 'difference'];
}

export function comparisonRows(other: ComparedGroup): string[][] {
  return other.equal.map((row) => [
    `${rowNames[row.budget]}, ${percent(row.part, 0)}`,
    amount(row.budget, row.at),
    lossText(row.baseline),
    lossText(row.other),
    differenceText(row),
  ]);
}

/** "optimizer.learningRate: 0.001 -> 0.003" */
export function configDifferenceText({ key, baseline, other }: ConfigDifference): string {
  return `${key}: ${valuesText(baseline)} -> ${valuesText(other)}`;
}

/** What the losses of a comparison are. */
export function lossNote({ unit }: Comparison): string {
  return (
    `Losses: held out, ${unit}, linear between evaluations; mean ± standard deviation over seeds. A difference within the ` +
    'root of the sum of both variances is within the spread of the seeds. FLOPs: executed, with the output head unless said otherwise.'
  );
}

/** Groups that are compared one by one: those beside the curve, or all where there is nothing else. */
export function comparedGroups({ others, gain }: Comparison): ComparedGroup[] {
  const onCurve = new Set(gain?.lengths.map(({ name }) => name));
  const beside = others.filter(({ name }) => !onCurve.has(name));
  return beside.length > 0 ? beside : others;
}
