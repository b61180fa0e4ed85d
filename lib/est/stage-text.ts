// A stage in a few words: which units it trains, and what new ones start from; and what about stages is likely a slip. Pure.

import type { BlockShape } from '../config/architecture.ts';
import { counted } from '../format.ts';
import { isSamePart, trainedPart } from './part.ts';
import { dimensionNames, isFull } from './rates.ts';
import { type SamplerOptions, takesFirst } from './sampler.ts';
import type { ResolvedStage, Schedule } from './schedule.ts';
import type { Transition } from './transition.ts';

/** "all", "random", "first" or "mixed", and "from stack" where the stage trains something for the first time by that. */
export function stageText(stage: ResolvedStage, grows: boolean): string {
  const { ratesFrom, ratesTo, options, transition } = stage;
  const sampled = dimensionNames.filter((dimension) => !isFull(ratesFrom[dimension]) || !isFull(ratesTo[dimension]));
  const firsts = sampled.filter((dimension) => takesFirst(options.choose?.[dimension]));
  const which = sampled.length === 0 ? 'all' : firsts.length === 0 ? 'random' : 'first';
  const words = firsts.length > 0 && firsts.length < sampled.length ? 'mixed' : which;
  return transition === undefined ? words : `${words}, ${grows ? `from ${transitionText(transition)}` : 'nothing new'}`;
}

function transitionText({ layers = 'keep', width = 'keep' }: Transition): string {
  return [layers, width].filter((word) => word !== 'keep').join(' and ') || 'keep';
}

/** Whether a stage trains units that no stage before it did. */
export function growsAt(model: BlockShape, schedule: Schedule, options: SamplerOptions, stage: ResolvedStage): boolean {
  const { startStep } = stage;
  if (startStep === 0) return true;
  const [before, after] = [startStep - 1, startStep].map((step) => trainedPart(model, schedule, options, step));
  return !isSamePart(before!, after!);
}

/** For people: transitions that do nothing, and learning rates that never climb back. */
export function stageNotes(model: BlockShape, schedule: Schedule, options: SamplerOptions): string[] {
  return schedule.stages.flatMap((stage) => {
    const { index, startStep, endStep, transition } = stage;
    if (transition === undefined || startStep === endStep) return [];
    const name = `stage ${index + 1}`;
    const { warmupSteps = 0 } = transition;
    const notes = growsAt(model, schedule, options, stage)
      ? []
      : [`${name}: its transition does nothing, because all that it trains was trained before`];
    if (warmupSteps <= endStep - startStep) return notes;
    return [
      ...notes,
      `${name}: the learning rate climbs for ${counted(warmupSteps, 'step')}, but the stage has ${endStep - startStep}`,
    ];
  });
}
