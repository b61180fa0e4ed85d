// Runs by configuration: which differ only by seed, which of the dense ones make a curve, which serve as controls. Pure.

import { Schedule } from '../est/schedule.ts';
import { parseTrainConfig, type TrainConfig } from '../train/train-config.ts';
import type { RunData } from './run-data.ts';

/** Runs that differ only by seed, and by what decides nothing. */
export interface ConfigGroup {
  runs: RunData[];
  /** One for each run; none in files of earlier versions. */
  configs: TrainConfig[];
  /** Whether no step leaves anything out. */
  isDense: boolean;
}

/** Groups in the order of their first runs. */
export function groupRuns(runs: readonly RunData[]): ConfigGroup[] {
  const groups = new Map<string, ConfigGroup>();
  for (const run of runs) {
    const config = configOf(run);
    // What a run did before its configuration was changed, that configuration does not say.
    const parts = config && [config.steps, decidingParts(config), run.changes];
    const key = parts === undefined ? run.directory : JSON.stringify(parts);
    const group = groups.get(key) ?? { runs: [], configs: [], isDense: config !== undefined && isDense(config) };
    group.runs.push(run);
    if (config) group.configs.push(config);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * The dense groups that differ in steps only: those of the first group where it is dense and has another length beside it,
 * else those with the most lengths, the first of equal ones.
 */
export function denseFamily(groups: readonly ConfigGroup[]): ConfigGroup[] {
  const families = new Map<string, ConfigGroup[]>();
  for (const group of groups.filter(({ isDense: dense }) => dense)) {
    const key = JSON.stringify(decidingParts(group.configs[0]!));
    families.set(key, [...(families.get(key) ?? []), group]);
  }
  const all = [...families.values()];
  const ofFirst = all.find((family) => family[0] === groups[0]);
  if (ofFirst && ofFirst.length > 1) return ofFirst;
  return all.toSorted((a, b) => b.length - a.length)[0] ?? [];
}

/** A size of a small model, and of the one it is smaller than. */
export interface SizeDifference {
  key: 'nLayer' | 'nEmbd' | 'nHead' | 'nInner';
  small: number;
  large: number;
}

/** What makes the model of a dense group a smaller one than another's, trained on the same data; empty where it is none. */
export function smallerSizes(group: ConfigGroup, than: ConfigGroup): SizeDifference[] {
  const [ours, theirs] = [group.configs[0], than.configs[0]];
  if (!group.isDense || !ours || !theirs || JSON.stringify(ours.data) !== JSON.stringify(theirs.data)) return [];
  const sizes = (['nLayer', 'nEmbd', 'nHead', 'nInner'] as const).flatMap((key): SizeDifference[] => {
    const [small, large] = [ours.model[key], theirs.model[key]];
    return small === large ? [] : [{ key, small, large }];
  });
  const isSmaller = sizes.every(({ key, small, large }) => key === 'nHead' || small < large);
  return isSmaller && sizes.some(({ key }) => key === 'nLayer' || key === 'nEmbd') ? sizes : [];
}

/** By today's schema, so that keys with a default that later versions added do not set runs apart. */
function configOf({ start }: RunData): TrainConfig | undefined {
  if (start === undefined) return undefined;
  try {
    return parseTrainConfig(start.config);
  } catch {
    return start.config;
  }
}

function isDense({ est, steps }: TrainConfig): boolean {
  try {
    return new Schedule(est.schedule, steps).isDense;
  } catch {
    return false; // of a version that knows more
  }
}

/** What decides a run beside seed and steps. What says how to leave units out decides nothing where none are. */
function decidingParts(config: TrainConfig): unknown[] {
  const { model, initFrom, data, batchSize, sequenceLength, accumulationSteps, est, optimizer, precision } = config;
  const rest = [model, initFrom, data, batchSize, sequenceLength, accumulationSteps, precision];
  if (!isDense(config)) return [...rest, est, optimizer];
  const { inactive: _, ...always } = optimizer;
  return [...rest, 'dense', always];
}
