// What training by several processes costs: the same steps by one rank and by several, with as many threads in all, in turn.

import { BurgeonError } from '../errors.ts';
import { flagCount, unionOf } from '../est/union.ts';
import { type SentBytes, sentInStep } from '../ranks/sent-bytes.ts';
import { type ModelRow, type StepVariant, stepVariants } from './model-rows.ts';
import { RankGroup } from './rank-group.ts';
import { type RankTimes, subnetworksOfStep } from './rank-steps.ts';
import type { BenchEntry } from './result-file.ts';
import { pairedRatio, type Spread, spreadOf, timeInTurn } from './statistics.ts';

export interface RankEntry extends BenchEntry, StepVariant {
  ranks: number;
  /** Of each rank. */
  threads: number;
  /** Of the slowest rank; and of rank 0, what it waited for the others and what the sum of gradients took. */
  ms: Spread;
  waitMs: Spread;
  exchangeMs: Spread;
  /** By rank 0 in a step, the mean of those that were timed. */
  sent: SentBytes;
  /** Gradients sent per second of their exchange, 10^9 bytes; null for one rank. */
  sentGBs: number | null;
  /** Time of one rank over that of several in the same round: 1 where the exchange costs nothing; null for one rank. */
  efficiency: Spread | null;
}

export interface RankRow {
  row: ModelRow;
  microBatches: number;
  entries: RankEntry[];
}

export interface RankBenchOptions {
  /** At least 2. */
  ranks: number;
  /** Of all ranks together. */
  threads: number;
  precision: 'float32' | 'bf16';
  rounds: number;
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

/** Dense, drawn by all alike and by each for itself, and nested. */
export function rankVariants(sequences: number): StepVariant[] {
  const variants = stepVariants(sequences).filter(({ name }) => ['dense', 'stage 1', 'L/2', 'width/2'].includes(name));
  return variants.filter(
    ({ name, groups }, i) => i === variants.findIndex((v) => v.name === name && v.groups === groups),
  );
}

/**
 * Measures one row; the sequences of its step are cut into a micro-batch for each rank.
 * @returns undefined when the signal stopped it.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where sequences or threads do not suffice; ERR_BURGEON_RANKS where several ranks do not
 *   compute what one does, or one is lost; as `Model.create`.
 */
export async function benchRanks(row: ModelRow, options: RankBenchOptions): Promise<RankRow | undefined> {
  const { ranks, rounds, signal } = options;
  const progress = (text: string) => options.onProgress?.(`${row.name}: ${text}`);
  const share = shareOfRow(row, options);
  progress('starting the ranks');
  using alone = await RankGroup.start({ ...share, size: 1, threads: ranks * share.threads });
  using together = await RankGroup.start({ ...share, size: ranks });
  const variants = rankVariants(row.batchSize);
  const groups = [alone, together];
  const steps = new Map(groups.map((group) => [group, 0]));
  const take = async (group: RankGroup, variant: StepVariant) => {
    const step = steps.get(group)!;
    steps.set(group, step + 1);
    return { step, taken: await group.take(variant, step) };
  };
  // Verified before it is timed, and warmed up by that. Both have taken the same steps so far, so they compute the same bits.
  for (const variant of variants) {
    if (signal?.aborted) return undefined;
    progress(`checking ${variant.name}`);
    const [one, all] = [await take(alone, variant), await take(together, variant)];
    requireSameNorms(
      row,
      variant,
      [...one.taken, ...all.taken].map(({ gradientNorm }) => gradientNorm),
    );
  }
  const alternatives = variants.flatMap((variant) =>
    groups.map((group) => ({ group, variant, times: [] as RankTimes[], sent: [] as SentBytes[] })),
  );
  const samples = await timeInTurn(
    alternatives.map(({ group, variant, times, sent }) => async () => {
      const { step, taken } = await take(group, variant);
      times.push(taken[0]!);
      sent.push(sentOfStep(share, variant, step, group.size));
      return Math.max(...taken.map(({ all }) => all));
    }),
    rounds,
    (done) => {
      progress(`round ${done + 1} of ${rounds}`);
      return !signal?.aborted;
    },
  );
  if (samples === undefined || signal?.aborted) return undefined;
  const entries = alternatives.map(({ group, variant, times, sent }, i) => {
    const own = samples[i]!;
    const isAlone = group === alone;
    const threads = isAlone ? ranks * share.threads : share.threads;
    return describeEntry(
      row,
      variant,
      options,
      { ranks: group.size, threads, times, sent, samples: own },
      isAlone ? undefined : samples[i - 1],
    );
  });
  return { row, microBatches: share.microBatches, entries };
}

type Share = ReturnType<typeof shareOfRow>;

/** What a rank does of a step. */
function shareOfRow(
  { name, config, batchSize, sequenceLength }: ModelRow,
  { ranks, threads, precision }: RankBenchOptions,
) {
  if (batchSize % ranks !== 0 || threads < ranks) {
    const [what, found] = batchSize % ranks !== 0 ? ['sequences', batchSize] : ['threads', threads];
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${name}: expected ${what} for ${ranks} ranks, ${what === 'threads' ? 'one each' : 'as many each'}, found ${found}`,
    );
  }
  const ofRank = { microBatches: ranks, batchSize: batchSize / ranks, threads: Math.floor(threads / ranks) };
  return { config, precision, sequenceLength, ...ofRank };
}

function sentOfStep(share: Share, variant: StepVariant, step: number, size: number): SentBytes {
  const { config, microBatches } = share;
  const { elements } = unionOf(config, subnetworksOfStep(share, variant, step));
  return sentInStep({ elements, flags: flagCount(config), microBatches }, { rank: 0, size });
}

function describeEntry(
  { name }: ModelRow,
  variant: StepVariant,
  { precision }: RankBenchOptions,
  measured: { ranks: number; threads: number; times: RankTimes[]; sent: SentBytes[]; samples: number[] },
  ofOne: readonly number[] | undefined,
): RankEntry {
  const { ranks, threads, times, sent, samples } = measured;
  const exchangeMs = spreadOf(times.map(({ exchange }) => exchange));
  const mean = (kind: keyof SentBytes) => sent.reduce((sum, each) => sum + each[kind], 0) / sent.length;
  const gradients = mean('gradients');
  return {
    key: `${name} ${variant.name} groups=${variant.groups} ${variant.inactive} ${precision} ranks=${ranks} threads=${threads}`,
    unit: 'ms',
    samples,
    ...variant,
    ranks,
    threads,
    ms: spreadOf(samples),
    waitMs: spreadOf(times.map(({ wait }) => wait)),
    exchangeMs,
    sent: { gradients, weights: mean('weights'), flags: mean('flags'), numbers: mean('numbers') },
    sentGBs: ofOne ? gradients / exchangeMs.median / 1e6 : null,
    efficiency: ofOne ? pairedRatio(ofOne, samples) : null,
  };
}

function requireSameNorms({ name }: ModelRow, variant: StepVariant, norms: number[]): void {
  if (norms.every((norm) => norm === norms[0] && Number.isFinite(norm))) return;
  throw new BurgeonError(
    'ERR_BURGEON_RANKS',
    `${name} ${variant.name}: expected the gradient norm of one rank, ${norms[0]}, on all of several, computed ${norms.slice(1).join(', ')}; not timed. This is a bug: please report it with the output of burgeon doctor`,
  );
}
