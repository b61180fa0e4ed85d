// Is skipping real? Whole optimizer steps as the trainer takes them (sampling, forward, backward, clipping, update),
// dense and at the stages of EST, in turn: executed FLOPs against time.

import { BurgeonError } from '../errors.ts';
import { allFlops, blockFlops, countFlops } from '../est/flops.ts';
import { countNewtonSchulzFlops } from '../est/newton-schulz.ts';
import { sampleSubnetwork } from '../est/sampler.ts';
import { Schedule, type ScheduleName } from '../est/schedule.ts';
import { Model } from '../model/model.ts';
import type { UpdateResult } from '../model/options.ts';
import type { OptimizerType } from '../optim/optimizer.ts';
import { groupsOf } from '../train/groups.ts';
import type { Machine } from './machine.ts';
import { type ModelRow, type StepVariant, stepVariants } from './model-rows.ts';
import type { BenchEntry } from './result-file.ts';
import { pairedRatio, type Spread, skipEfficiency, spreadOf, timeInTurn } from './statistics.ts';
import { isCuda, type Target, targetKey } from './target.ts';

export interface StepEntry extends BenchEntry, StepVariant {
  ms: Spread;
  tokensPerSecond: number;
  /** Executed FLOPs per second, in 10^9, and over the peak of the same run. */
  gflops: number;
  shareOfPeak: number;
  /** Executed FLOPs of one step, and against the dense step: with and without the output head. */
  flops: number;
  allFlopRatio: number;
  blockFlopRatio: number;
  /** Time against the dense step of the same round. */
  timeRatio: Spread;
  /** Time saved over FLOPs saved; null for the dense step. */
  skipEfficiency: number | null;
  /** Of Muon's products, in none of the figures above; 0 with AdamW. */
  newtonSchulzFlops: number;
  /** Of the step's time, by the update, clipping with it. */
  updateShare: Spread;
  /** Of a large sampled step of one group on a CUDA device: whether the time ratio is the FLOP ratio plus at most `gate`. */
  isWithinGate?: boolean;
}

/** How much longer than its FLOPs say a sampled step of a CUDA device may take, of the dense step's time; from so many tokens on. */
export const gate = 0.04;
const gateTokens = 32_768;

/** Shares of a dense run that a schedule saves. */
export interface RunSaving extends Pick<StepVariant, 'groups' | 'inactive'> {
  schedule: ScheduleName;
  time: number;
  allFlops: number;
}

export interface RowResult {
  row: ModelRow;
  entries: StepEntry[];
  /** With one group, and with the default groups. */
  savings: RunSaving[];
  /** Weights, gradients and both moments; activations and scratch. */
  parameterBytes: number;
  activationBytes: number;
  /** Largest resident memory of the process so far: rows before this one count too. */
  peakRssBytes: number;
}

export interface ModelBenchOptions extends Target {
  precision: 'float32' | 'bf16';
  /** Default: AdamW. */
  optimizer?: OptimizerType;
  /** Timed steps of each variant, after one that is checked. */
  rounds: number;
  /** Further rates of heads, neurons and layers alike. */
  rates?: readonly number[];
  machine: Machine;
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

/**
 * Measures one row.
 * @returns undefined when the signal stopped it.
 * @throws {BurgeonError} ERR_BURGEON_BACKEND where executed FLOPs are not those of the ledger, ERR_BURGEON_NONFINITE,
 *   ERR_BURGEON_OUT_OF_MEMORY, ERR_BURGEON_CONFIG.
 */
export async function benchModel(row: ModelRow, options: ModelBenchOptions): Promise<RowResult | undefined> {
  const { precision, optimizer, device, threads, rounds, signal, onProgress } = options;
  const { config, batchSize } = row;
  const progress = (text: string) => onProgress?.(`${row.name}: ${text}`);
  progress('making the model');
  using model = await Model.create(config, { device, threads, precision, optimizer });
  const variants = stepVariants(batchSize, options.rates);
  const steps = new Steps(model, row);
  // Verified before it is timed, and warmed up by that.
  const executed: Executed[] = [];
  for (const variant of variants) {
    if (signal?.aborted) return undefined;
    progress(`checking ${variant.name}`);
    executed.push(await steps.verified(variant));
  }
  const samples = await timeInTurn(
    variants.map((variant) => () => steps.take(variant)),
    rounds,
    (done) => {
      progress(`round ${done + 1} of ${rounds}`);
      return !signal?.aborted;
    },
  );
  if (samples === undefined || signal?.aborted) return undefined;
  const { parameterBytes, activationBytes } = model.info;
  const entries = variants.map((variant, i) => ({
    ...describeStep(variant, samples[i]!, samples[0]!, executed[i]!, executed[0]!, row, options),
    newtonSchulzFlops: executed[i]!.newtonSchulz,
    updateShare: spreadOf(steps.updateShares(variant)),
  }));
  return {
    row,
    entries,
    savings: runSavings(row, entries),
    parameterBytes,
    activationBytes,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function describeStep(
  variant: StepVariant,
  samples: number[],
  dense: readonly number[],
  executed: Executed,
  denseExecuted: Executed,
  row: ModelRow,
  options: ModelBenchOptions,
): Omit<StepEntry, 'newtonSchulzFlops' | 'updateShare'> {
  const { precision, machine } = options;
  const ms = spreadOf(samples);
  const gflops = executed.all / ms.median / 1e6;
  const allFlopRatio = executed.all / denseExecuted.all;
  const timeRatio = pairedRatio(samples, dense);
  const isLarge = row.batchSize * row.sequenceLength >= gateTokens;
  const isGated = isCuda(options) && isLarge && variant.groups === 1 && variant.name !== 'dense';
  return {
    key: `${row.name} ${variant.name} groups=${variant.groups} ${variant.inactive} ${precision}${options.optimizer === 'muon' ? ' muon' : ''} ${targetKey(options)}`,
    unit: 'ms',
    samples,
    ...variant,
    ms,
    tokensPerSecond: (row.batchSize * row.sequenceLength) / (ms.median / 1000),
    gflops,
    shareOfPeak: gflops / (precision === 'bf16' ? machine.peakBf16Gflops : machine.peakGflops),
    flops: executed.all,
    allFlopRatio,
    blockFlopRatio: executed.block / denseExecuted.block,
    timeRatio,
    skipEfficiency: skipEfficiency(timeRatio.median, allFlopRatio),
    ...(isGated ? { isWithinGate: timeRatio.median <= allFlopRatio + gate } : {}),
  };
}

/** EST as published for models of a kind. */
const publishedSchedules: Record<ModelRow['config']['architecture'], ScheduleName> = {
  gpt2: 'est-gpt2',
  llama: 'est-tinyllama',
  qwen2: 'est-tinyllama',
};

/** What a run of the schedule of the model's kind saves, from the steps of its stages and the dense step. */
function runSavings(row: ModelRow, entries: readonly StepEntry[]): RunSaving[] {
  const schedule = publishedSchedules[row.config.architecture];
  // So many steps that every stage of both schedules is whole.
  const { stages, totalSteps } = new Schedule(schedule, 60);
  const sampled = entries.filter(({ name }) => name === 'stage 1');
  return sampled.map(({ groups, inactive }) => {
    const saved = (ratio: (entry: StepEntry) => number) =>
      stages.slice(0, 2).reduce((sum, { index, startStep, endStep }) => {
        const step = entries.find((entry) => entry.name === `stage ${index + 1}` && entry.inactive === inactive)!;
        return sum + ((endStep - startStep) / totalSteps) * (1 - ratio(step));
      }, 0);
    return {
      schedule,
      groups,
      inactive,
      time: saved(({ timeRatio }) => timeRatio.median),
      allFlops: saved(({ allFlopRatio }) => allFlopRatio),
    };
  });
}

/** FLOPs of one step: with the output head and without, and of the update. */
interface Executed {
  all: number;
  block: number;
  newtonSchulz: number;
}

/** Optimizer steps on one fixed batch. */
class Steps {
  readonly #model: Model;
  readonly #row: ModelRow;
  readonly #tokens: Int32Array;
  readonly #updateShares = new Map<StepVariant, number[]>();
  #step = 0;

  constructor(model: Model, row: ModelRow) {
    this.#model = model;
    this.#row = row;
    const { batchSize, sequenceLength, config } = row;
    this.#tokens = Int32Array.from({ length: batchSize * sequenceLength }, (_, i) => (i * 7919) % config.vocabSize);
  }

  /** Milliseconds of one step, sampling included. */
  async take(variant: StepVariant): Promise<number> {
    const start = performance.now();
    await this.#backward(variant);
    const { ms: updateMs } = await this.#update(variant);
    const ms = performance.now() - start;
    this.#updateShares.set(variant, [...this.updateShares(variant), updateMs / ms]);
    return ms;
  }

  /** Of the steps taken so far. */
  updateShares(variant: StepVariant): number[] {
    return this.#updateShares.get(variant) ?? [];
  }

  /** FLOPs of one step, after checking that the kernels executed what the ledger counts and that the loss is a number. */
  async verified(variant: StepVariant): Promise<Executed> {
    const { name, sequenceLength, config } = this.#row;
    const { groups, result } = await this.#backward(variant);
    const ledger = { all: 0, block: 0, newtonSchulz: 0 };
    for (const { sequences, subnetwork } of groups) {
      const flops = countFlops(config, { batchSize: sequences, sequenceLength, subnetwork });
      ledger.all += allFlops(flops);
      ledger.block += blockFlops(flops);
    }
    const work = { forward: result.forwardFlops, backward: result.backwardFlops };
    if (this.#model.optimizer === 'muon') {
      // One group, where only what it trained is updated.
      const updated = variant.inactive === 'freeze' ? groups[0]!.subnetwork : undefined;
      ledger.newtonSchulz = countNewtonSchulzFlops(config, updated);
    }
    const { newtonSchulzFlops } = await this.#update(variant);
    const executed = { all: allFlops(work), block: blockFlops(work), newtonSchulz: newtonSchulzFlops };
    for (const [which, counted] of Object.entries(ledger)) {
      const done = executed[which as keyof Executed];
      if (done === counted) continue;
      throw new BurgeonError(
        'ERR_BURGEON_BACKEND',
        `${name} ${variant.name}: expected ${counted} FLOPs (${which}) as the ledger counts, executed ${done}; not timed. This is a bug: please report it with the output of burgeon doctor`,
      );
    }
    if (!Number.isFinite(result.loss)) {
      throw new BurgeonError(
        'ERR_BURGEON_NONFINITE',
        `${name} ${variant.name}: expected a finite loss, computed ${result.loss}; not timed`,
      );
    }
    return executed;
  }

  async #backward({ rates, choose = {}, groups: groupsPerStep }: StepVariant) {
    const { config, batchSize } = this.#row;
    const step = this.#step++;
    const groups = groupsOf(0, { batchSize, accumulationSteps: 1, groupsPerStep }).map(({ index, begin, end }) => ({
      sequences: end - begin,
      subnetwork: sampleSubnetwork({ ...config, rates, choose }, { seed: 1, step, group: index }),
    }));
    return { groups, result: await this.#model.forwardBackward(this.#tokens, this.#tokens, { batchSize, groups }) };
  }

  /** With a learning rate that leaves the model about as it is. */
  #update({ inactive }: StepVariant): Promise<UpdateResult> {
    return this.#model.optimizerStep({ lr: 1e-5, gradientClip: 1, weightDecay: 0.1, inactive });
  }
}
