// Where the time of a training step goes: takes a few steps of every stage of a run, in turn, with every op timed. Nothing
// of the run is kept.

import { measurePeak, type Peak, peakFlops } from '../addon/peak.ts';
import { completeModel, type ModelConfig } from '../config/model-config.ts';
import { BatchLoader } from '../data/batch-loader.ts';
import { dimensionNames, isFull } from '../est/rates.ts';
import { Model } from '../model/model.ts';
import { openData } from '../train/open-data.ts';
import { StepPlanner } from '../train/step-planner.ts';
import type { TrainConfig } from '../train/train-config.ts';
import { type StepContext, type StepPart, trainStep } from '../train/train-step.ts';
import { measureDevicePeak } from './device-peak.ts';
import { type NumberBytes, numberBytes } from './op-traffic.ts';
import { type ProfiledStep, type Span, type StepTotals, spansOf, totalsOf } from './profile-events.ts';
import { describeCudaDevice, isCuda, runsOnHost, type Target, targetOf } from './target.ts';

export interface ProfiledStage {
  /** "stage 1", or "dense". */
  name: string;
  /** Whether nothing is left out in its steps. */
  isDense: boolean;
  steps: ProfiledStep[];
  totals: StepTotals;
}

export interface Profile {
  stages: ProfiledStage[];
  /** "cpu", "reference" or one like "cuda:0 NVIDIA H100". */
  device: string;
  /** Of activations. */
  precision: string;
  /** Of the processor or the device. */
  peak: Peak;
  /** What products are held against. */
  peakFlopsPerSecond: number;
  threads: number;
}

/** Steps before those that are timed, of every stage. */
const warmUpSteps = 2;

/**
 * Profiles a run from new weights.
 * @param options.steps of every stage.
 * @returns undefined when the signal stopped it.
 * @throws {BurgeonError} as `Trainer.open`.
 */
export async function profileSteps(
  config: TrainConfig,
  options: { steps: number; signal?: AbortSignal; onProgress?: (text: string) => void },
): Promise<Profile | undefined> {
  const dataset = await openData(config);
  try {
    const loader = new BatchLoader(dataset.train, config);
    using model = await Model.create(completeModel(config.model, dataset.vocabSize), {
      ...(config.threads === 'auto' ? {} : { threads: config.threads }),
      device: config.device,
      precision: config.precision,
      seed: config.seed,
      profile: true,
    });
    const { threads, backend, precision } = model.info;
    const target = targetOf(config.device, threads);
    const bytes = numberBytes(backend, precision);
    const peak = await peakOf(target);
    const stages = stagesOf(model.config, config).map((stage) => ({
      ...stage,
      steps: [] as ProfiledStep[],
      isDense: false,
    }));
    for (let round = 0; round < warmUpSteps + options.steps; round++) {
      options.onProgress?.(`step ${round + 1} of ${warmUpSteps + options.steps} of every stage`);
      for (const stage of stages) {
        if (options.signal?.aborted) return undefined;
        const { planner, firstStep, lastStep } = stage;
        const step = Math.min(firstStep + round, lastStep);
        const { isDense, ...profiled } = await profileStep({ config, model, loader, planner }, step, {
          bytes,
          isQueued: isCuda(target),
        });
        stage.isDense = isDense;
        if (round >= warmUpSteps) stage.steps.push(profiled);
      }
    }
    return {
      stages: stages.map(({ name, isDense, steps }) => ({ name, isDense, steps, totals: totalsOf(steps) })),
      device: [target.device, describeCudaDevice(target)?.name].filter(Boolean).join(' '),
      precision,
      peak,
      peakFlopsPerSecond: peakFlops(peak, precision),
      threads,
    };
  } finally {
    await dataset.close();
  }
}

/** Nothing is known of what else a CUDA device does. */
async function peakOf(target: Target): Promise<Peak> {
  if (!isCuda(target)) return measurePeak(target.threads);
  const { flops, bf16Flops, bytes } = await measureDevicePeak(target, runsOnHost(target));
  return { flopsPerSecond: flops, bf16FlopsPerSecond: bf16Flops, bytesPerSecond: bytes, processorShare: 1 };
}

/** The stages that have steps; without a complete one a dense step, to compare with. */
function stagesOf(model: ModelConfig, config: TrainConfig) {
  const planner = new StepPlanner(model, config);
  const stages = planner.schedule.stages
    .filter(({ startStep, endStep }) => startStep < endStep)
    .map(({ index, startStep, endStep, ratesFrom, ratesTo }) => ({
      name: `stage ${index + 1}`,
      planner,
      firstStep: startStep,
      lastStep: endStep - 1,
      isFull: [ratesFrom, ratesTo].every((rates) => dimensionNames.every((dimension) => isFull(rates[dimension]))),
    }));
  if (stages.some(({ isFull }) => isFull)) return stages;
  const dense = new StepPlanner(model, { ...config, est: { ...config.est, schedule: 'dense' } });
  return [...stages, { name: 'dense', planner: dense, firstStep: 0, lastStep: config.steps - 1 }];
}

async function profileStep(
  context: StepContext,
  step: number,
  { bytes, isQueued }: { bytes: NumberBytes; isQueued: boolean },
): Promise<ProfiledStep & { isDense: boolean }> {
  const waits: Span[] = [];
  const timed = async <Result>(part: StepPart, work: () => Promise<Result>): Promise<Result> => {
    const begun = performance.now();
    const result = await work();
    const ms = performance.now() - begun;
    if (part === 'data') waits.push({ name: 'batch', phase: 'data', start: begun, ms, flops: 0, bytes: 0, sizes: [] });
    return result;
  };
  context.model.takeProfile();
  const start = performance.now();
  const { isDense } = (await trainStep({ ...context, timed }, step))!;
  // Ops tell when they ran as a time before they were asked for, which is now.
  const end = performance.now();
  const ops = spansOf(context.model.takeProfile(), end, bytes);
  if (!isQueued) return { start, ms: end - start, spans: [...waits, ...ops], isDense };
  // The update comes last, and nobody waits for it.
  const last = Math.max(end, ...ops.slice(-1).map((span) => span.start + span.ms));
  return { start, ms: last - start, spans: [...waits.map((wait) => outside(ops, wait)), ...ops], isDense };
}

/** A wait for a batch, of which only that counts when the device had nothing to do. */
function outside(ops: readonly Span[], wait: Span): Span {
  const end = wait.start + wait.ms;
  const shared = ops.map((op) => Math.min(end, op.start + op.ms) - Math.max(wait.start, op.start));
  return { ...wait, ms: wait.ms - shared.reduce((sum, ms) => sum + Math.max(0, ms), 0) };
}
