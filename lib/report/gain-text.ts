// Compute gains and controls in words and cells, the same for terminal and page. Pure.

import { count, counted, duration, percent } from '../format.ts';
import type { Comparison } from './compare-runs.ts';
import { differenceText, lossText } from './comparison-text.ts';
import { type GainBudget, gainBudgets, type MeanGain } from './compute-gain.ts';
import type { Control, GainComparison, GainGroup } from './gain-comparison.ts';

export const gainBudgetNames: Record<GainBudget, string> = {
  executedBlockFlops: 'block FLOPs',
  executedFlops: 'all FLOPs',
  trainSeconds: 'seconds',
};

export const gainTitle = 'Compute gain: what dense training needs for the loss a run ends with, over what the run took';

/** "1.55", "1.55 ± 0.03", or beyond the curve "> 1.93". */
export function gainText(gain: MeanGain | null): string {
  if (gain === null) return '–';
  const { kind, mean, spread } = gain;
  const sign = { exact: '', 'more than': '> ', 'less than': '< ' }[kind];
  return `${sign}${mean.toFixed(2)}${spread === null ? '' : ` ± ${spread.toFixed(2)}`}`;
}

const columns = ['seeds', ...gainBudgets.map((budget) => gainBudgetNames[budget]), 'final loss'];

/** What the dense runs of each length took; the first row has the heads of the columns. */
export function curveRows({ lengths }: GainComparison): string[][] {
  return [
    ['dense training', ...columns],
    ...lengths.map(({ name, steps, loss, spent }) => [
      `${name}, ${counted(steps, 'step')}`,
      String(loss.n),
      ...gainBudgets.map((budget) => spentText(budget, spent[budget]?.mean)),
      lossText(loss),
    ]),
  ];
}

/** The gain of each group beside the curve, under the same columns. */
export function gainRows({ groups }: GainComparison): string[][] {
  return [
    ['gain of', ...columns],
    ...groups.map(({ name, steps, loss, gain }) => [
      `${name}, ${counted(steps, 'step')}`,
      String(loss.n),
      ...gainBudgets.map((budget) => gainText(gain[budget])),
      lossText(loss),
    ]),
  ];
}

function spentText(budget: GainBudget, value: number | undefined): string {
  if (value === undefined) return '–';
  return budget === 'trainSeconds' ? duration(1000 * value) : count(value);
}

/** What a group ends with against the dense run that the comparison begins with. */
export function finalText({ name, difference }: GainGroup, { reference }: GainComparison): string {
  const size = differenceText(difference);
  if (difference.isBeyondSpread === false)
    return `${name} ends level with ${reference}: ${size}, the spread of the seeds`;
  const judged = difference.isBeyondSpread ? 'beyond the spread of the seeds' : 'one seed, so the spread is not known';
  return `${name} ends ${size} than ${reference}: ${judged}`;
}

/** "Control, dense at equal block FLOPs: ..." */
export function controlText({ kind, name, sizes, of }: Control): string {
  const what = sizes.map(({ key, small, large }) => `${key} ${small} for ${large}`);
  const equal = of && [
    `${percent(of.blockFlopRatio)} of the block FLOPs of ${of.name}, which ends ${differenceText(of.difference)}`,
  ];
  return `Control, ${kind}: ${name}, ${[...what, ...(equal ?? [])].join(', ')}`;
}

/** How the gains came about. */
export function gainNote({ groups }: GainComparison): string {
  const unpaired = groups.flatMap(({ name, runs }) => {
    const paired = runs.filter(({ isPaired }) => isPaired).length;
    return paired === runs.length
      ? []
      : [paired === 0 ? name : `${name} (${paired} of ${counted(runs.length, 'run')} paired)`];
  });
  const against =
    unpaired.length === 0
      ? 'Each run stands against the dense runs of its own seed'
      : `Each run stands against the dense runs of its own seed, where there is one of every length, else against their mean: ${unpaired.join(', ')}`;
  return (
    `${against}. Final losses only, dense losses made monotone (isotonic regression), linear over the logarithm of the budget; ` +
    '> and < are beyond the curve, where nothing more is claimed.'
  );
}

/** All sentences about gains and controls. */
export function gainSentences({ gain, controls }: Comparison): string[] {
  return [...(gain?.groups.map((group) => finalText(group, gain)) ?? []), ...controls.map(controlText)];
}
