// Who shares a subnetwork (docs/method.md): cuts the sequences of a step into groups, each of which trains its own
// subnetwork. Groups are numbered over the whole step. Pure.

export interface GroupOptions {
  /** Sequences per micro-batch, B. */
  batchSize: number;
  /** Micro-batches per step. */
  accumulationSteps: number;
  groupsPerStep: number | 'auto' | 'sequence';
}

/** Rows begin to end - 1 of a micro-batch. */
export interface Group {
  /** Number within the step; groups of the same number share a subnetwork. */
  index: number;
  begin: number;
  end: number;
}

/** With `auto`, a step has at least this many groups where it has as many sequences. */
const defaultGroups = 4;

/** Groups of a step; as many are the same ones. */
export function groupCount(options: GroupOptions): number {
  return groupsOf(options.accumulationSteps - 1, options).at(-1)!.index + 1;
}

/**
 * The groups of one micro-batch, in order. With fewer groups than micro-batches, neighbouring micro-batches share one;
 * otherwise every micro-batch is cut into the same number of nearly equal groups.
 */
export function groupsOf(microBatch: number, options: GroupOptions): Group[] {
  const { batchSize, accumulationSteps, groupsPerStep } = options;
  if (typeof groupsPerStep === 'number' && groupsPerStep < accumulationSteps) {
    return [{ index: Math.floor((microBatch * groupsPerStep) / accumulationSteps), begin: 0, end: batchSize }];
  }
  const wanted = groupsPerStep === 'auto' ? defaultGroups : groupsPerStep === 'sequence' ? Infinity : groupsPerStep;
  const count = Math.min(batchSize, Math.ceil(wanted / accumulationSteps));
  return Array.from({ length: count }, (_, i) => ({
    index: microBatch * count + i,
    begin: Math.floor((i * batchSize) / count),
    end: Math.floor(((i + 1) * batchSize) / count),
  }));
}
