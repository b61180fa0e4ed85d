// The best checkpoint so far is the one with the lowest validation loss, which means something only among losses on the
// same tokens. Where a run goes on with other validation data or windows, the best one is measured on these.

import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { findCheckpoints } from '../checkpoint/checkpoint-list.ts';
import type { FixedBatch } from '../data/fixed-windows.ts';
import type { Model } from '../model/model.ts';
import { evaluate } from './evaluator.ts';
import type { BestCheckpoint, RunState } from './run-state.ts';
import type { StepPlanner } from './step-planner.ts';

export interface ResumedRun {
  /** With the weights of the checkpoint that is continued, which it has again afterwards. */
  model: Model;
  state: RunState;
  planner: StepPlanner;
  /** Of the run. */
  output: string;
  /** Of the checkpoint that is continued. */
  latest: string;
  validation: AsyncIterable<FixedBatch>;
  /** SHA-256 of the targets of `validation`. */
  evaluatedOn: string;
}

/**
 * The best checkpoint of a run that is resumed, with its loss on the present validation windows; null where it is no more.
 * @returns also a note for people, where it was measured on other windows before.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT, ERR_BURGEON_DATA, ERR_BURGEON_NONFINITE.
 */
export async function bestOnPresentWindows(run: ResumedRun): Promise<{ best: BestCheckpoint | null; note?: string }> {
  const { state, evaluatedOn } = run;
  const { best } = state;
  if (best === null || best.evaluatedOn === evaluatedOn) return { best };
  const before = `the best checkpoint so far, of step ${best.step}, had held-out loss ${best.loss.toFixed(4)} on other validation tokens`;
  const found = (await findCheckpoints(run.output)).find(({ step, valid }) => valid && step === best.step);
  if (found === undefined) return { best: null, note: `${before}, and is there no more: the next evaluation decides` };
  const loss = await lossOf(run, best.step, found.directory);
  return { best: { step: best.step, loss, evaluatedOn }, note: `${before}, and has ${loss.toFixed(4)} on these` };
}

async function lossOf({ model, state, planner, latest, validation }: ResumedRun, step: number, directory: string) {
  const subnetwork = planner.at(step - 1).trainedSubnetwork;
  if (step === state.step) return (await evaluate(model, validation, { subnetwork })).loss;
  await takeWeights(model, directory);
  try {
    return (await evaluate(model, validation, { subnetwork })).loss;
  } finally {
    await takeWeights(model, latest);
  }
}

/** Weights only: moments are not read by an evaluation. */
async function takeWeights(model: Model, directory: string): Promise<void> {
  const checkpoint = await readCheckpoint(directory);
  try {
    for (const name of model.tensorNames) await model.setParameter(name, await checkpoint.readTensor(name));
  } finally {
    await checkpoint.close();
  }
}
