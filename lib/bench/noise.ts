// Whether a measurement was disturbed, told by how its samples vary and by what other processes took. Pure.

import { isBusy } from '../addon/peak.ts';
import { percent } from '../format.ts';
import { relativeSpread, unsteady } from './roofline.ts';
import { quantile, spreadOf } from './statistics.ts';

export interface Noise {
  verdict: 'quiet' | 'noisy' | 'not known';
  text: string;
  /** Names of what varied most, the worst first. */
  unsteady: string[];
}

/** Fewer samples say nothing of their spread. */
const leastSamples = 4;
const mostNamed = 3;

/**
 * @param measured samples of each thing, taken in turn.
 * @param processorShare of the processor that the process had, where it was measured.
 */
export function judgeNoise(
  measured: readonly { name: string; samples: readonly number[] }[],
  processorShare: number | undefined,
): Noise {
  const spreads = measured
    .filter(({ samples }) => samples.length >= leastSamples)
    .map(({ name, samples }) => ({ name, spread: relativeSpread(spreadOf(samples)) }))
    .sort((a, b) => b.spread - a.spread);
  const names = spreads.filter(({ spread }) => spread > unsteady).map(({ name }) => name);
  const busy =
    processorShare !== undefined && isBusy({ processorShare })
      ? `other processes took ${percent(1 - processorShare, 0)} of the processor while its peak was measured`
      : undefined;
  if (spreads.length === 0) {
    const text = `too few samples of each to tell whether the machine was quiet: at least ${leastSamples} are needed`;
    return busy ? noisy([busy], []) : { verdict: 'not known', text: `${text}.`, unsteady: [] };
  }
  const middle = quantile(
    spreads.map(({ spread }) => spread),
    0.5,
  );
  const typical = `the quartiles of the times are typically ${percent(middle)} apart`;
  const some = names.slice(0, mostNamed).join(', ');
  const worst =
    names.length === 0
      ? []
      : [`${names.length} of ${spreads.length} vary by more than ${percent(unsteady, 0)}, most of all ${some}`];
  if (busy === undefined && middle <= unsteady && names.length <= spreads.length / 10) {
    return { verdict: 'quiet', text: `${typical}${worst.length > 0 ? `; ${worst[0]}` : ''}.`, unsteady: names };
  }
  return noisy([...(busy ? [busy] : []), typical, ...worst], names);
}

function noisy(reasons: readonly string[], names: string[]): Noise {
  return {
    verdict: 'noisy',
    text: `${reasons.join('; ')}. Compare ratios, or measure again on a quiet machine.`,
    unsteady: names,
  };
}
