// What a run gained against dense runs that were measured before: the `baseline` of its configuration, run directories or
// metrics files kept apart from their runs. Told at the end of `burgeon train`.

import { BurgeonError } from '../errors.ts';
import { expandFiles } from '../files/globs.ts';
import { isDirectory } from '../files/path-kinds.ts';
import { counted } from '../format.ts';
import type { TrainConfig } from '../train/train-config.ts';
import { comparableLosses, type LossUnit } from './comparable-losses.ts';
import {
  computeGain,
  type DenseCurve,
  denseCurve,
  type FinishedRun,
  finishedRun,
  type GroupGain,
} from './compute-gain.ts';
import { configDifferences } from './config-differences.ts';
import { gainText } from './gain-text.ts';
import { readRun } from './read-run.ts';
import type { RunData } from './run-data.ts';
import { denseFamily, groupRuns } from './run-groups.ts';

export interface BaselineGain {
  unit: LossUnit;
  curve: DenseCurve;
  gain: GroupGain['gain'];
  /** Final loss of the run, and of the dense runs of as many steps, else of the longest; its loss less theirs. */
  loss: number;
  reference: { steps: number; loss: number };
  difference: number;
  /** Keys beside the schedule and its length in which the run differs from the dense ones. */
  otherKeys: string[];
}

/** Keys in which a run may differ from the dense ones and still be what the gain is asked of. */
const isExpected = (key: string) =>
  /^(steps|seed|est|data|baseline|evaluation|sample|checkpoint|log|device|threads)(\.|$)/.test(key);

/**
 * @param patterns run directories, metrics files, or patterns of such files.
 * @throws {BurgeonError} ERR_BURGEON_DATA where one names no run, or they are no complete dense runs of two lengths or more.
 */
export async function readBaseline(patterns: readonly string[]): Promise<RunData[]> {
  const paths = await Promise.all(
    patterns.map(async (pattern) => ((await isDirectory(pattern)) ? [pattern] : expandFiles(pattern))),
  );
  const runs = await Promise.all(paths.flat().map((path) => readRun(path)));
  if (curveOf(runs) === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `baseline: expected complete dense runs of two lengths or more, which differ in steps and seed only, found none among ${patterns.join(', ')}`,
    );
  }
  return runs;
}

/**
 * @param baseline of `readBaseline`.
 * @param directory of the run.
 * @throws {BurgeonError} ERR_BURGEON_DATA where the run is not complete, or its losses are not of the same tokens.
 */
export async function gainAgainst(baseline: readonly RunData[], directory: string): Promise<BaselineGain> {
  const own = await readRun(directory);
  const { unit, runs } = comparableLosses([...baseline, own]);
  const finished = finishedRun(runs.at(-1)!);
  if (finished === undefined) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${directory}: the run is not complete, or was changed on the way`);
  }
  const dense = runs.slice(0, -1);
  const curve = curveOf(dense)!;
  const { steps, loss } = curve.lengths.find((length) => length.steps === finished.steps) ?? curve.lengths.at(-1)!;
  const configs = (compared: readonly RunData[]): TrainConfig[] => compared.flatMap(({ start }) => start?.config ?? []);
  return {
    unit,
    curve,
    gain: computeGain(curve, [finished]).gain,
    loss: finished.loss,
    reference: { steps, loss: loss.mean },
    difference: finished.loss - loss.mean,
    otherKeys: configDifferences(configs(dense), configs([own]))
      .map(({ key }) => key)
      .filter((key) => !isExpected(key)),
  };
}

/** Rows of a summary: what dense training needs for this loss, and how it ends. Seconds of other machines say nothing. */
export function baselineGainRows({ curve, gain, reference, difference, otherKeys }: BaselineGain): [string, string][] {
  const steps = curve.lengths.map((length) => length.steps);
  const size = `${Math.abs(difference).toFixed(4)} ${difference < 0 ? 'lower' : 'higher'}`;
  const differs = otherKeys.length > 0 ? `; they differ in ${otherKeys.join(', ')} too` : '';
  return [
    [
      'compute gain',
      `${gainText(gain.executedBlockFlops)} in block FLOPs, ${gainText(gain.executedFlops)} in all FLOPs, by dense runs that were measured`,
    ],
    [
      'dense runs',
      `${steps[0]} to ${steps.at(-1)} steps; ${counted(reference.steps, 'step')} end at ${reference.loss.toFixed(4)}, this run ${size}${differs}`,
    ],
  ];
}

function curveOf(runs: readonly RunData[]): DenseCurve | undefined {
  const finished = denseFamily(groupRuns(runs)).flatMap((group): FinishedRun[] =>
    group.runs.flatMap((run) => finishedRun(run) ?? []),
  );
  return denseCurve(finished);
}
