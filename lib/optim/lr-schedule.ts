// The learning rate of each step: warm-up, then cosine, linear, constant or WSD (warm-up, stable, decay). A pure function
// of the step, independent of the EST stage. Steps are 0-based optimizer updates.

import { counted } from '../format.ts';

/** Shapes of the learning rate after warm-up. */
export const learningRateSchedules = ['cosine', 'linear', 'constant', 'wsd'] as const;

export interface LearningRateConfig {
  /** The highest learning rate, reached at the end of warm-up. */
  learningRate: number;
  /** The learning rate of the last step; `constant` ignores it. */
  minLearningRate: number;
  schedule: (typeof learningRateSchedules)[number];
  /** Steps of linear warm-up, W. */
  warmupSteps: number;
  /** `wsd` only: the share of the run, at its end, over which the rate decays. Default 0.2. */
  decayFraction?: number;
}

/** As llm.c's WSD. */
const defaultDecayFraction = 0.2;

/**
 * The learning rate of a step.
 *
 * Warm-up, steps 0 to W - 1: learningRate * (step + 1) / W, so the first update is not zero and step W - 1 has the full
 * rate (llm.c's convention). After it, with r = (step - start) / (totalSteps - 1 - start), 0 at the first step of the
 * decay and 1 at the last step of the run, and `max`, `min` the two rates:
 * - cosine: start = W; min + (1 + cos(pi r)) / 2 * (max - min);
 * - linear: start = W; min + (1 - r) * (max - min);
 * - constant: max;
 * - wsd: start = totalSteps - floor(decayFraction * totalSteps + 0.5), or W if that is later; max before it, then
 *   min + (1 - sqrt(r)) * (max - min), llm.c's form, from Hägele et al., arXiv 2405.18392.
 * A decay of a single step stays at `max`. After the run the last step's rate holds.
 * @param step 0-based.
 * @param totalSteps steps of the run.
 */
export function learningRateAt(config: LearningRateConfig, step: number, totalSteps: number): number {
  const { learningRate: max, minLearningRate: min, schedule, warmupSteps } = config;
  if (step < warmupSteps) return (max * (step + 1)) / warmupSteps;
  switch (schedule) {
    case 'constant':
      return max;
    case 'linear':
      return min + (1 - progress(step, warmupSteps, totalSteps)) * (max - min);
    case 'cosine':
      return min + 0.5 * (1 + Math.cos(Math.PI * progress(step, warmupSteps, totalSteps))) * (max - min);
    case 'wsd': {
      const decaySteps = Math.floor((config.decayFraction ?? defaultDecayFraction) * totalSteps + 0.5);
      const start = Math.max(warmupSteps, totalSteps - decaySteps);
      return min + (1 - Math.sqrt(progress(step, start, totalSteps))) * (max - min);
    }
  }
}

/**
 * For people: warm-ups that end too late to matter.
 * @param totalSteps steps of the run.
 * @param firstStageSteps of these, of the first stage of its growth.
 */
export function warmupNotes(
  { learningRate, warmupSteps }: LearningRateConfig,
  totalSteps: number,
  firstStageSteps: number,
): string[] {
  const climbs = `the learning rate climbs for ${counted(warmupSteps, 'step')} (optimizer.warmupSteps)`;
  if (warmupSteps > totalSteps) return [`${climbs}, but the run has ${totalSteps}: ${learningRate} is never reached`];
  return warmupSteps > firstStageSteps
    ? [`${climbs}, but stage 1 has ${firstStageSteps}: it never trains at ${learningRate}`]
    : [];
}

/** How far the decay from `start` is, in [0, 1]: 1 at the last step of the run. */
function progress(step: number, start: number, totalSteps: number): number {
  const length = Math.max(1, totalSteps - 1 - start);
  return Math.min(1, Math.max(0, (step - start) / length));
}
