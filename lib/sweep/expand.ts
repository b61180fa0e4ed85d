// The runs of a sweep: every variant with every combination of values and every seed, in the order of the file. Pure.

import { mergeSections, partsOfKey, type Section, withKey } from '../config/merge.ts';
import { BurgeonError } from '../errors.ts';
import { groupName, keyLabels, type Plain } from './names.ts';
import type { Sweep } from './sweep-file.ts';

export interface SweepRun {
  /** `<group>/seed<n>`, also its directory in the sweep's output. */
  name: string;
  /** Name of the runs that differ by seed only. */
  group: string;
  /** null where the sweep has no variants. */
  variant: string | null;
  values: Record<string, Plain>;
  seed: number;
  /** Whether its variant is a baseline. */
  isBaseline: boolean;
  /** The run directory. */
  directory: string;
  /** Data of its training configuration. */
  settings: Section;
}

/** Longest name of a directory on common file systems, in bytes. */
const longestName = 255;

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where a key lies below a plain value, or a name is too long. */
export function expandRuns(sweep: Sweep): SweepRun[] {
  const labels = keyLabels(sweep.values.map(([key]) => key));
  const variants = sweep.variants.size > 0 ? [...sweep.variants.keys()] : [null];
  return variants.flatMap((variant) =>
    combinations(sweep.values).flatMap((values) => {
      const group = groupName(variant, values, labels);
      if (group.length > longestName) {
        throw new BurgeonError(
          'ERR_BURGEON_CONFIG',
          `${sweep.file}: expected names of at most ${longestName} characters, but one is ${group}; give it a short one, under variants`,
        );
      }
      const settings = settingsOf(sweep, variant, values);
      return sweep.seeds.map((seed): SweepRun => {
        const name = `${group}/seed${seed}`;
        const directory = `${sweep.output.replace(/\/+$/, '') || '/'}/${name}`;
        const isBaseline = variant !== null && sweep.baselines.includes(variant);
        return {
          name,
          group,
          variant,
          values,
          seed,
          isBaseline,
          directory,
          settings: { ...settings, seed, output: directory },
        };
      });
    }),
  );
}

/** Every choice of one value per key; the last key changes fastest. */
function combinations(values: Sweep['values']): Record<string, Plain>[] {
  return values.reduce<Record<string, Plain>[]>(
    (chosen, [key, list]) => chosen.flatMap((others) => list.map((value) => ({ ...others, [key]: value }))),
    [{}],
  );
}

function settingsOf(sweep: Sweep, variant: string | null, values: Record<string, Plain>): Section {
  let settings: unknown = sweep.base;
  for (const [key, value] of Object.entries(sweep.variants.get(variant ?? '') ?? {})) {
    const source = `${sweep.file}: variants.${variant}: ${key}`;
    settings =
      key.includes('.') || key.includes('[')
        ? withKey(settings, partsOfKey(key)!, value, source)
        : mergeSections(settings, { [key]: value });
  }
  for (const [key, value] of Object.entries(values)) {
    settings = withKey(settings, partsOfKey(key)!, value, `${sweep.file}: values: ${key}`);
  }
  return withCheckpoints(settings as Section);
}

/**
 * Ten checkpoints, so that a kill costs a tenth of a run, of which the newest stays, so that a sweep does not fill the disk;
 * unless the configuration has its own way.
 */
function withCheckpoints(settings: Section): Section {
  const { steps, checkpoint = {} } = settings;
  const every = typeof steps === 'number' && steps > 0 ? Math.ceil(steps / 10) : 0;
  return { ...settings, checkpoint: mergeSections({ every, keepLast: 1, keepBest: false }, checkpoint) };
}
