// The compute gains among groups of runs: which dense ones make the curve, what the others gain against it, and which
// groups are the two controls. Pure.

import { counted } from '../format.ts';
import {
  type Curves,
  computeGain,
  type DenseLength,
  denseCurve,
  type FinishedRun,
  finishedRun,
  type GroupGain,
  pointOf,
} from './compute-gain.ts';
import { type Difference, differenceOf } from './mean-and-spread.ts';
import { type ConfigGroup, denseFamily, type SizeDifference, smallerSizes } from './run-groups.ts';
import { sharedName } from './shared-name.ts';

/** A group on the curve: dense runs of one length. */
export interface CurveGroup extends DenseLength {
  name: string;
}

/** A group beside the curve. */
export interface GainGroup extends Omit<DenseLength, 'steps' | 'runs'>, Omit<GroupGain, 'runs'> {
  name: string;
  steps: number;
  runs: GroupGain['runs'];
  /** Final loss less that of the reference. */
  difference: Difference;
}

export interface GainComparison {
  /** Ascending steps. */
  lengths: CurveGroup[];
  /** Through the mean losses of the lengths. */
  curves: Curves;
  /** Name of the dense group whose final loss the others are held against: the first group's, else that of the longest. */
  reference: string;
  groups: GainGroup[];
}

/** A group that says what a gain is made of: is it only shorter training, is it only a smaller model? */
export interface Control {
  kind: 'dense at equal block FLOPs' | 'small dense model';
  name: string;
  runs: string[];
  /** Of the small model, which sees the same data; empty for the other kind. */
  sizes: SizeDifference[];
  /** A group that executes as many block FLOPs; null where the small model has none. */
  of: {
    name: string /** Block FLOPs of the control over its. */;
    blockFlopRatio: number /** Its loss less the control's. */;
    difference: Difference;
  } | null;
}

/** FLOPs within this share of each other are equal. */
const equalWithin = 0.03;

/** @returns no comparison where there is no curve, with a note that says why. */
export function compareGains(groups: readonly ConfigGroup[]): { comparison: GainComparison | null; notes: string[] } {
  const family = denseFamily(groups);
  const curve = denseCurve(family.flatMap(finishedOf));
  if (curve === undefined) return { comparison: null, notes: [noCurveNote(family)] };
  const lengths = curve.lengths.map((length): CurveGroup => {
    const group = family.find(({ configs }) => configs[0]!.steps === length.steps)!;
    return { name: sharedName(group.runs), ...length };
  });
  const reference = lengths.find(({ name }) => name === sharedName(groups[0]!.runs)) ?? lengths.at(-1)!;
  const beside = groups.flatMap((group): GainGroup[] => {
    const finished = finishedOf(group);
    if (family.includes(group) || finished.length === 0) return [];
    const { loss, spent } = pointOf(finished);
    const difference = differenceOf(reference.loss, loss);
    return [
      {
        name: sharedName(group.runs),
        steps: finished[0]!.steps,
        loss,
        spent,
        ...computeGain(curve, finished),
        difference,
      },
    ];
  });
  return {
    comparison: { lengths, curves: curve.mean, reference: reference.name, groups: beside },
    notes: gainNotes(groups),
  };
}

/** The controls among the groups. */
export function findControls(groups: readonly ConfigGroup[]): Control[] {
  const family = denseFamily(groups);
  const [model] = family;
  if (model === undefined) return [];
  const small = groups.filter((group) => smallerSizes(group, model).length > 0);
  const compared = groups.filter((group) => !family.includes(group) && !small.includes(group));
  const withFlopsOf = (control: ConfigGroup) => compared.flatMap((group) => atEqualFlops(control, group) ?? []);
  return [
    ...family.flatMap((group) =>
      withFlopsOf(group).map((of) => controlOf('dense at equal block FLOPs', group, [], of)),
    ),
    ...small.flatMap((group) => {
      const equal = withFlopsOf(group);
      const sizes = smallerSizes(group, model);
      return (equal.length > 0 ? equal : [null]).map((of) => controlOf('small dense model', group, sizes, of));
    }),
  ];
}

function controlOf(kind: Control['kind'], { runs }: ConfigGroup, sizes: SizeDifference[], of: Control['of']): Control {
  return { kind, name: sharedName(runs), runs: runs.map(({ name }) => name), sizes, of };
}

function atEqualFlops(control: ConfigGroup, group: ConfigGroup): Control['of'] {
  const [ours, theirs] = [finishedOf(control), finishedOf(group)];
  if (ours.length === 0 || theirs.length === 0) return null;
  const [a, b] = [pointOf(ours), pointOf(theirs)];
  const [spent, taken] = [a, b].map((point) => point.spent.executedBlockFlops?.mean);
  if (!spent || !taken || Math.abs(spent / taken - 1) > equalWithin) return null;
  return { name: sharedName(group.runs), blockFlopRatio: spent / taken, difference: differenceOf(a.loss, b.loss) };
}

function finishedOf({ runs }: ConfigGroup): FinishedRun[] {
  return runs.flatMap((run) => finishedRun(run) ?? []);
}

/** Runs without a gain, and what makes seconds say little. */
function gainNotes(groups: readonly ConfigGroup[]): string[] {
  const runs = groups.flatMap((group) => group.runs);
  const notes = [];
  const unfinished = runs.filter((run) => finishedRun(run) === undefined).map(({ name }) => name);
  if (unfinished.length > 0) {
    notes.push(`no gain is claimed for ${unfinished.join(', ')}: not complete, so the learning rate may still be high`);
  }
  const continued = runs.filter(({ start }) => start?.config.initFrom !== undefined).map(({ name }) => name);
  if (continued.length > 0) {
    notes.push(
      `${continued.join(', ')} began with the weights of another model (initFrom), whose FLOPs are not counted`,
    );
  }
  const machines = new Set(
    runs.flatMap(({ start }) =>
      start ? `${start.host.processor}, ${start.backend} (${start.isa}), threads: ${start.threads}` : [],
    ),
  );
  if (machines.size > 1) notes.push(`seconds are of different machines or settings: ${[...machines].join('; ')}`);
  return notes;
}

/** Why there is no curve. */
function noCurveNote(family: readonly ConfigGroup[]): string {
  const found = family.find((group) => finishedOf(group).length > 0);
  const one = found && `one: ${counted(found.configs[0]!.steps, 'step')} (${sharedName(found.runs)})`;
  return `a compute gain needs complete dense runs of two lengths or more that differ in steps and seed only, found ${one ?? 'none'}`;
}
