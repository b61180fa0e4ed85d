// The table of a sweep: runs that differ by seed only are one group, ranked by their mean held-out loss. The one place
// where groups are compared. Pure.

import { computeGain, type DenseCurve, denseCurve, type FinishedRun, type GroupGain } from '../report/compute-gain.ts';
import { type MeanAndSpread, meanAndSpread } from '../report/mean-and-spread.ts';
import type { SweepRun } from './expand.ts';
import type { RunResult, RunStatus } from './run-status.ts';

export interface RankedGroup {
  name: string;
  variant: SweepRun['variant'];
  values: SweepRun['values'];
  isBaseline: boolean;
  /** Directories and seeds of its complete runs. */
  directories: string[];
  seeds: number[];
  /** Runs it is to have. */
  runs: number;
  failed: number;
  /** Over its complete runs; null without any. */
  loss: MeanAndSpread | null;
  blockFlops: MeanAndSpread | null;
  allFlops: MeanAndSpread | null;
  seconds: MeanAndSpread | null;
  /**
   * What the baselines need for its loss, over what it took; null without a baseline of two lengths or more. Seeds are paired where
   * the baseline has them.
   */
  gain: GroupGain['gain'] | null;
}

/** A run as far as the table cares. */
export interface RankedRun
  extends Pick<SweepRun, 'name' | 'group' | 'variant' | 'values' | 'seed' | 'isBaseline' | 'directory'> {
  state: RunStatus['state'];
  steps: number;
  /** Of a complete run. Seconds are null where the machine did other work meanwhile. */
  result: (Omit<RunResult, 'seconds'> & { seconds: number | null }) | null;
}

/** Lowest loss first; groups with a failed run, whose mean leaves out what may be its worst, after all others. */
export function rankGroups(runs: readonly RankedRun[]): RankedGroup[] {
  const groups = new Map<string, RankedRun[]>();
  for (const run of runs) groups.set(run.group, [...(groups.get(run.group) ?? []), run]);
  const curve = denseCurve(runs.filter(({ isBaseline }) => isBaseline).flatMap(pointOf));
  return [...groups.values()]
    .map((group) => describeGroup(group, curve))
    .sort((a, b) => Number(a.failed > 0) - Number(b.failed > 0) || lossOf(a) - lossOf(b));
}

function lossOf({ loss }: RankedGroup): number {
  // Infinity less itself is no number.
  return loss?.mean ?? Number.MAX_VALUE;
}

/** A complete run as a point of loss and cost. */
function pointOf({ name, seed, steps, result }: RankedRun): FinishedRun[] {
  if (result === null) return [];
  const { loss, blockFlops, allFlops, seconds } = result;
  return [
    {
      name,
      seed,
      steps,
      loss,
      spent: { executedBlockFlops: blockFlops, executedFlops: allFlops, trainSeconds: seconds },
    },
  ];
}

function describeGroup(runs: readonly RankedRun[], curve: DenseCurve | undefined): RankedGroup {
  const { group, variant, values, isBaseline } = runs[0]!;
  const complete = runs.filter(({ result }) => result !== null);
  const over = (key: keyof RunResult) => {
    const results = complete.map(({ result }) => result![key]);
    return results.length === 0 || results.includes(null) ? null : meanAndSpread(results as number[]);
  };
  return {
    name: group,
    variant,
    values,
    isBaseline,
    directories: complete.map(({ directory }) => directory),
    seeds: complete.map(({ seed }) => seed),
    runs: runs.length,
    failed: runs.filter(({ state }) => state === 'failed').length,
    loss: over('loss'),
    blockFlops: over('blockFlops'),
    allFlops: over('allFlops'),
    seconds: over('seconds'),
    gain: curve === undefined || complete.length === 0 ? null : computeGain(curve, runs.flatMap(pointOf)).gain,
  };
}
