// The table of a sweep: runs that differ by seed only are one group, ranked by their mean held-out loss. The one place
// where groups are compared. Pure.

import type { TrainConfig } from '../config/train-config.ts';
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
interface RankedOutcome {
  run: SweepRun & { config: Pick<TrainConfig, 'steps'> };
  status: RunStatus;
}

/** Lowest loss first; groups with a failed run, whose mean leaves out what may be its worst, after all others. */
export function rankGroups(outcomes: readonly RankedOutcome[]): RankedGroup[] {
  const groups = new Map<string, RankedOutcome[]>();
  for (const outcome of outcomes) {
    const { group } = outcome.run;
    groups.set(group, [...(groups.get(group) ?? []), outcome]);
  }
  const curve = denseCurve(outcomes.filter(({ run }) => run.isBaseline).flatMap(pointOf));
  return [...groups.values()]
    .map((group) => describeGroup(group, curve))
    .sort((a, b) => Number(a.failed > 0) - Number(b.failed > 0) || lossOf(a) - lossOf(b));
}

function lossOf({ loss }: RankedGroup): number {
  // Infinity less itself is no number.
  return loss?.mean ?? Number.MAX_VALUE;
}

/** A complete run as a point of loss and cost. */
function pointOf({ run, status }: RankedOutcome): FinishedRun[] {
  if (status.state !== 'complete') return [];
  const { loss, blockFlops, allFlops, seconds } = status.result;
  const { name, seed, config } = run;
  const spent = { executedBlockFlops: blockFlops, executedFlops: allFlops, trainSeconds: seconds };
  return [{ name, seed, steps: config.steps, loss, spent }];
}

function describeGroup(outcomes: readonly RankedOutcome[], curve: DenseCurve | undefined): RankedGroup {
  const { group, variant, values, isBaseline } = outcomes[0]!.run;
  const complete = outcomes.flatMap(({ run, status }) =>
    status.state === 'complete' ? [{ run, result: status.result }] : [],
  );
  const over = (key: keyof RunResult) =>
    complete.length === 0 ? null : meanAndSpread(complete.map(({ result }) => result[key]));
  return {
    name: group,
    variant,
    values,
    isBaseline,
    directories: complete.map(({ run }) => run.directory),
    seeds: complete.map(({ run }) => run.seed),
    runs: outcomes.length,
    failed: outcomes.filter(({ status }) => status.state === 'failed').length,
    loss: over('loss'),
    blockFlops: over('blockFlops'),
    allFlops: over('allFlops'),
    seconds: over('seconds'),
    gain: curve === undefined || complete.length === 0 ? null : computeGain(curve, outcomes.flatMap(pointOf)).gain,
  };
}
