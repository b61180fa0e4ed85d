// Runs with their complete configurations, models and planned FLOPs: everything that can be wrong with a sweep is found
// here, before the first run starts.

import { completeModel } from '../config/model-config.ts';
import { problemList, problemsOf } from '../config/validate.ts';
import { BatchLoader } from '../data/batch-loader.ts';
import type { DataIdentity } from '../data/data-identity.ts';
import { BurgeonError } from '../errors.ts';
import { countParameters } from '../est/parameters.ts';
import { planSchedule, type SchedulePlan } from '../est/plan.ts';
import { Schedule } from '../est/schedule.ts';
import { valueText } from '../format.ts';
import { differencesBetween } from '../train/config-changes.ts';
import { completeTrainConfig } from '../train/load-train-config.ts';
import { findData, openData } from '../train/open-data.ts';
import { parseTrainConfig, type TrainConfig } from '../train/train-config.ts';
import type { SweepRun } from './expand.ts';

export interface PlannedRun extends SweepRun {
  config: TrainConfig;
  /** Numbers in the model. */
  parameters: number;
  plan: SchedulePlan;
  /** Which tokens it trains on. */
  trainData: DataIdentity;
}

/**
 * Completes and checks every run, data included.
 * @param file the sweep's, for errors.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG with one line per problem, and the runs that have it.
 */
export async function planRuns(runs: readonly SweepRun[], file: string): Promise<PlannedRun[]> {
  const problems = new ProblemsOfRuns();
  const planned: PlannedRun[] = [];
  const groups = new Map<string, string>();
  for (const run of runs) {
    const result = await problems.collect(run, async () => {
      const config = await completeTrainConfig(run.settings, file, true);
      const { vocabSize, trainData } = await checkData(config);
      const model = completeModel(config.model, vocabSize);
      const plan = planSchedule(model, new Schedule(config.est.schedule, config.steps), {
        sequencesPerStep: config.batchSize * config.accumulationSteps,
        sequenceLength: config.sequenceLength,
        samplerOptions: config.est,
      });
      return { ...run, config, parameters: countParameters(model).total, plan, trainData };
    });
    if (result === undefined) continue;
    const content = JSON.stringify(decidingPart(result.config));
    const twin = groups.get(content);
    if (twin !== undefined) problems.add(run, `expected runs that differ, found the configuration of ${twin} again`);
    else groups.set(content, run.group);
    planned.push(result);
  }
  problems.throwIfAny(`invalid sweep in ${file}`);
  return planned;
}

/** What a configuration needs of its data; a sweep is ranked by held-out loss, so there must be data for it. */
async function checkData(config: TrainConfig): Promise<{ vocabSize: number | undefined; trainData: DataIdentity }> {
  const dataset = await openData(config);
  try {
    new BatchLoader(dataset.train, config);
    if (dataset.validation === undefined) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        'data: expected validation data, because runs are ranked by their loss on it, found none',
      );
    }
    return { vocabSize: dataset.vocabSize, trainData: (await findData(dataset, config.sequenceLength)).train };
  } finally {
    await dataset.close();
  }
}

/** Keys that change neither what a run computes nor what is measured at its end. */
const incidentalKeys = ['output', 'threads', 'device', 'log', 'checkpoint', 'sample'];

/** What decides the result of a run. */
function decidingPart({ evaluation, ...config }: TrainConfig): Record<string, unknown> {
  const entries = Object.entries(config).filter(([key]) => !incidentalKeys.includes(key));
  return { ...Object.fromEntries(entries), evaluation: { windows: evaluation.windows } };
}

/** What differs in results of a run of one configuration and of another, one line per key. */
export function configDifferences(before: TrainConfig, now: TrainConfig): string[] {
  const [a, b] = [decidingPart(before), decidingPart(now)];
  return Object.keys({ ...a, ...b }).flatMap((key) =>
    differencesBetween(key, a[key], b[key]).map(
      ({ key, from, to }) => `${key}: the run has ${valueText(from)}, the configuration ${valueText(to)}`,
    ),
  );
}

/** A configuration that a run began with, perhaps under an earlier version, with today's defaults. */
export function storedConfig(config: unknown): TrainConfig {
  return parseTrainConfig(config, 'the run');
}

/** Problems of several runs: most are those of many, and told once. */
class ProblemsOfRuns {
  readonly #groups = new Map<string, Set<string>>();
  readonly #seen = new Set<string>();

  add(run: SweepRun, problem: string): void {
    const groups = this.#groups.get(problem) ?? new Set();
    this.#groups.set(problem, groups.add(run.group));
  }

  /** The result of `work`, or undefined where it failed with a problem. */
  async collect<Result>(run: SweepRun, work: () => Promise<Result>): Promise<Result | undefined> {
    this.#seen.add(run.group);
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BurgeonError)) throw error;
      for (const problem of problemsOf(error)) this.add(run, problem);
      return undefined;
    }
  }

  throwIfAny(source: string): void {
    if (this.#groups.size === 0) return;
    const lines = [...this.#groups].map(([problem, groups]) => {
      const [first, second, ...more] = groups;
      const names = more.length > 1 ? `${first}, ${second} and ${more.length} more` : [...groups].join(', ');
      return `${problem} (in ${groups.size === this.#seen.size ? 'all runs' : names})`;
    });
    throw problemList(source, lines);
  }
}
