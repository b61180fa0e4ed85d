// What steps.ts prints: a verdict per row, and one table.

import { table } from '../../lib/cli/format.ts';
import type { Result } from './measure-steps.ts';
import type { Spread } from './turns.ts';

/** burgeon against the best of PyTorch, as it is and with everything that makes it faster. */
export function verdicts(results: readonly Result[]): string[] {
  const rivals = results.filter(({ contender, overBurgeon }) => !contender.startsWith('burgeon') && overBurgeon);
  const line = (title: string, among: readonly Result[]) => {
    const [best] = [...among].sort((a, b) => a.overBurgeon!.median - b.overBurgeon!.median);
    if (best === undefined) return [];
    const { median, quartiles } = best.overBurgeon!;
    const [low, high] = quartiles.map((ratio) => ratio.toFixed(2));
    return [`burgeon is ${median.toFixed(2)} (${low} .. ${high}) times as fast as ${title}: ${best.contender}`];
  };
  return [
    ...line(
      'PyTorch as installed',
      rivals.filter(({ contender }) => !contender.includes('tuned')),
    ),
    ...line('the fastest PyTorch', rivals),
  ];
}

export function stepTable(results: readonly Result[]): string {
  const range = ({ quartiles }: Spread, digits: number) => quartiles.map((value) => value.toFixed(digits)).join(' .. ');
  return table([
    ['row', 'precision', 'contender', 'ms', 'quartiles', 'tokens/s', 'peak MB', "time over burgeon's", 'quartiles'],
    ...results.map(({ row, precision, contender, ms, tokensPerSecond, peakRssMB, overBurgeon }) => [
      row,
      precision,
      contender,
      ms.median.toFixed(1),
      range(ms, 1),
      tokensPerSecond.toFixed(0),
      peakRssMB.toFixed(0),
      overBurgeon?.median.toFixed(2) ?? '',
      overBurgeon ? range(overBurgeon, 2) : '',
    ]),
  ]);
}
