// The steps of `burgeon bench ranks` as one rank takes them, each part timed.

import type { ModelConfig } from '../config/model-config.ts';
import { sampleSubnetwork } from '../est/sampler.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { Model } from '../model/model.ts';
import { Communicator } from '../ranks/communicator.ts';
import { foldsOf, onlyRank, shareOf } from '../ranks/shares.ts';
import { requireSameNorm } from '../train/exchange.ts';
import { groupsOf } from '../train/groups.ts';
import type { StepVariant } from './model-rows.ts';

/** What a rank is told in the beginning. */
export interface RankSetup {
  rank: number;
  /** 1: there are no others. */
  size: number;
  port: number;
  config: ModelConfig;
  precision: 'float32' | 'bf16';
  threads: number;
  /** Of a step, of all ranks; sequences of each, and tokens of each sequence. */
  microBatches: number;
  batchSize: number;
  sequenceLength: number;
}

/** Milliseconds of a step. */
export interface RankTimes {
  all: number;
  /** For the losses of the others: until the slowest is there. */
  wait: number;
  /** In the sum of gradients. */
  exchange: number;
}

export interface TakenStep extends RankTimes {
  /** The same on all ranks, and for any number of them. */
  gradientNorm: number;
}

type Share = Pick<RankSetup, 'config' | 'microBatches' | 'batchSize'>;

/** The groups of a micro-batch, as a run would draw them. */
export function groupsOfStep(
  { config, microBatches, batchSize }: Share,
  variant: StepVariant,
  step: number,
  micro: number,
) {
  const { rates, choose = {}, groups: groupsPerStep } = variant;
  return groupsOf(micro, { batchSize, accumulationSteps: microBatches, groupsPerStep }).map(
    ({ index, begin, end }) => ({
      sequences: end - begin,
      subnetwork: sampleSubnetwork({ ...config, rates, choose }, { seed: 1, step, group: index }),
    }),
  );
}

/** What all groups of a step train. */
export function subnetworksOfStep(share: Share, variant: StepVariant, step: number): Subnetwork[] {
  return Array.from({ length: share.microBatches }, (_, micro) => groupsOfStep(share, variant, step, micro))
    .flat()
    .map(({ subnetwork }) => subnetwork);
}

export class RankSteps implements Disposable {
  readonly #setup: RankSetup;
  readonly #model: Model;
  readonly #communicator: Communicator | undefined;

  private constructor(setup: RankSetup, model: Model, communicator: Communicator | undefined) {
    this.#setup = setup;
    this.#model = model;
    this.#communicator = communicator;
  }

  /** @throws {BurgeonError} ERR_BURGEON_RANKS where the others do not come; as `Model.create`. */
  static async create(setup: RankSetup): Promise<RankSteps> {
    const { rank, size, port, config, threads, precision } = setup;
    const model = await Model.create(config, { device: 'cpu', threads, precision, seed: 1 });
    const communicator =
      size === 1 ? undefined : await Communicator.connect({ rank, size, address: '127.0.0.1', port });
    return new RankSteps(setup, model, communicator);
  }

  /** All ranks take the same step at the same time. */
  async take(variant: StepVariant, step: number): Promise<TakenStep> {
    const model = this.#model;
    const communicator = this.#communicator;
    const start = performance.now();
    await this.#addGradients(variant, step);
    const computed = performance.now();
    let met = computed;
    let exchanged = computed;
    if (communicator) {
      await this.#sumLosses(communicator);
      met = performance.now();
      await model.exchangeGradients(communicator, this.#setup.microBatches);
      exchanged = performance.now();
    }
    const { inactive } = variant;
    const { gradientNorm } = await model.optimizerStep({ lr: 1e-5, gradientClip: 1, weightDecay: 0.1, inactive });
    if (communicator) await requireSameNorm(communicator, gradientNorm);
    return { all: performance.now() - start, wait: met - computed, exchange: exchanged - met, gradientNorm };
  }

  /** As many numbers as train/exchange.ts sums. */
  async #sumLosses(communicator: Communicator): Promise<void> {
    const { microBatches } = this.#setup;
    const { first } = shareOf(microBatches, communicator);
    const numbers: number[] = Array(3 + microBatches).fill(0);
    for (const [i, loss] of (await this.#model.takeLosses()).entries()) numbers[3 + first + i] = loss;
    await communicator.sum(numbers, 'the losses of a step');
  }

  async #addGradients(variant: StepVariant, step: number): Promise<void> {
    const { microBatches, batchSize, sequenceLength, config } = this.#setup;
    const rank = this.#communicator ?? onlyRank;
    const { first, count } = shareOf(microBatches, rank);
    for (const [i, fold] of foldsOf(microBatches, rank).entries()) {
      const micro = first + i;
      const length = batchSize * sequenceLength;
      const tokens = Int32Array.from({ length }, (_, at) => ((at + micro * length) * 7919) % config.vocabSize);
      const groups = groupsOfStep(this.#setup, variant, step, micro);
      await this.#model.accumulate(tokens, tokens, { batchSize, groups, weight: 1 / microBatches });
      if (count > 1) await this.#model.foldGradients(fold);
    }
  }

  [Symbol.dispose](): void {
    this.#model[Symbol.dispose]();
    this.#communicator?.close();
  }
}
