// How long runs by different schedules would take: a few steps of every stage, timed on random tokens. Stages of several
// schedules that sample alike are measured once.

import type { ModelConfig } from '../config/model-config.ts';
import type { TokenBatch } from '../data/token-source.ts';
import { isFull } from '../est/rates.ts';
import { CounterRng } from '../est/rng.ts';
import { Schedule, type StageConfig } from '../est/schedule.ts';
import { Model } from '../model/model.ts';
import type { ModelOptions } from '../model/options.ts';
import { StepPlanner } from '../train/step-planner.ts';
import type { TrainConfig } from '../train/train-config.ts';
import { type StepContext, trainStep } from '../train/train-step.ts';
import { spreadOf } from './statistics.ts';

/** Rounds of one step each, after one that is not timed: for so long, at least one. */
const roundsMs = 3000;

/** Steps of more tokens are measured by a part of their sequences, at least four, as many as there are groups by default. */
const mostTokens = 4096;
const leastSequences = 4;

/** A stage held still at one of its ends, so that nothing is grown. */
interface Still {
  context: StepContext;
  ms: number[];
}

/**
 * Estimated milliseconds of training of each run, evaluations left out. Stages take turns, so that a busy moment of the machine
 * does not decide.
 * @param configs of runs of one model that differ by schedule.
 * @param onStep called after each step with how many are done, and how many there will be at least.
 */
export async function measureSchedules(
  model: ModelConfig,
  configs: readonly TrainConfig[],
  options: ModelOptions,
  onStep: (done: number, least: number) => void = () => {},
): Promise<number[]> {
  const { batchSize, accumulationSteps, sequenceLength } = configs[0]!;
  const sequences = Math.min(batchSize, Math.max(leastSequences, Math.floor(mostTokens / sequenceLength)));
  const scale = (batchSize * accumulationSteps) / sequences;
  const measured = configs.map((config) => ({ ...config, batchSize: sequences, accumulationSteps: 1 }));
  using instance = await Model.create(model, { ...options, largestBatch: { batchSize: sequences, sequenceLength } });
  const stills = new Map<string, Still>();
  for (const config of measured) {
    for (const { end, stage } of endsOf(config)) {
      if (!stills.has(end)) stills.set(end, { context: contextOf(instance, config, stage), ms: [] });
    }
  }
  const start = performance.now();
  for (let round = 0; round <= 1 || performance.now() - start < roundsMs; round++) {
    for (const [i, { context, ms }] of [...stills.values()].entries()) {
      const before = performance.now();
      await trainStep(context, round % context.config.steps);
      if (round > 0) ms.push(performance.now() - before);
      onStep(round * stills.size + i + 1, 2 * stills.size);
    }
  }
  return measured.map((config) =>
    endsOf(config).reduce((sum, { end, steps }) => sum + scale * steps * spreadOf(stills.get(end)!.ms).median, 0),
  );
}

/** Both ends of every stage, each for half of its steps, by name: equal for steps that cost the same. */
function endsOf(config: TrainConfig): { end: string; stage: StageConfig; steps: number }[] {
  const { stages } = new Schedule(config.est.schedule, config.steps);
  return stages.flatMap(({ startStep, endStep, ratesFrom, ratesTo, options }) =>
    startStep === endStep
      ? []
      : [ratesFrom, ratesTo].map((rates) => {
          const isWhole = Object.values(rates).every(isFull);
          const { batchSize: _, ...sampling } = options;
          const stage = isWhole ? {} : { ...sampling, ...rates };
          const end = JSON.stringify([stage, isWhole ? '' : config.est.groupsPerStep]);
          return { end, stage, steps: (endStep - startStep) / 2 };
        }),
  );
}

/** With a learning rate that leaves the model about as it is. */
function contextOf(model: Model, config: TrainConfig, stage: StageConfig): StepContext {
  const optimizer = { ...config.optimizer, learningRate: 1e-6, minLearningRate: 1e-6, warmupSteps: 0 };
  const est = { ...config.est, schedule: [stage] as TrainConfig['est']['schedule'] };
  const still = { ...config, optimizer, est };
  const planner = new StepPlanner(model.config, still);
  return { config: still, model, planner, loader: new RandomTokens(model, config) };
}

/** Batches that cost what real ones do. */
class RandomTokens {
  readonly #model: Model;
  readonly #config: TrainConfig;

  constructor(model: Model, config: TrainConfig) {
    this.#model = model;
    this.#config = config;
  }

  async batch(index: number, batchSize = this.#config.batchSize): Promise<TokenBatch> {
    const rng = new CounterRng(1, index);
    const { vocabSize } = this.#model.config;
    const length = batchSize * this.#config.sequenceLength;
    const draw = () => Int32Array.from({ length }, () => rng.nextBelow(vocabSize));
    return { tokens: draw(), targets: draw() } as TokenBatch;
  }
}
