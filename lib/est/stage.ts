// A stage of a schedule as it is configured. Types only; schedule.ts resolves it to steps.

import type { Dimension, Rate } from './rates.ts';
import type { Choice, StageSampling } from './sampler.ts';
import type { DepthTransition, Transition } from './transition.ts';

/** One rate for the whole stage, or [first, last]: a linear ramp from the stage's first step to its last. */
export type StageRate = Rate | readonly [Rate, Rate];

/** A stage as configured. It starts where the one before ends; a rate left out is 1. */
export interface StageConfig extends Pick<StageSampling, 'rescale'> {
  /** First step after the stage. Give this or `endFraction`; the last stage needs neither. */
  endStep?: number | undefined;
  /** The end as a fraction of the run, in (0, 1]: step floor(fraction * steps + 0.5). */
  endFraction?: number | undefined;
  heads?: StageRate | undefined;
  neurons?: StageRate | undefined;
  layers?: StageRate | undefined;
  /** Which units a rate leaves active: in every dimension, or in some. Default: uniform. */
  choose?: Choice | { [Name in Dimension]?: Choice | undefined } | undefined;
  /** Layers that are always active in this stage; default: what the run says. */
  keepFirst?: number | undefined;
  keepLast?: number | undefined;
  /** Subnetworks per step; default: what the run says. */
  groupsPerStep?: number | 'auto' | 'sequence' | undefined;
  /**
   * Sequences per micro-batch in this stage, with as many micro-batches as make the run's sequences per step: a smaller part has
   * room for more at a time. Default: what the run says.
   */
  batchSize?: number | undefined;
  /** What is done before the first step of the stage; not of the first stage. A word is that of the layers. */
  transition?: DepthTransition | Transition | undefined;
}
