// What of a checkpoint's model its run had trained. In a stage of first units the rest still has its initial weights, so
// evaluation, samples and exports are of the part; and with shorter sequences than the model takes, later positions were never seen.

import path from 'node:path';
import { stateFile } from '../checkpoint/checkpoint.ts';
import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { isWhole, type Part, trainedPart } from '../est/part.ts';
import { Schedule } from '../est/schedule.ts';
import { isFile } from '../files/path-kinds.ts';
import { readJsonObject } from '../formats/json.ts';
import type { RunState } from './run-state.ts';

/**
 * @param directory of a model; of a checkpoint, or it is the full model.
 * @returns undefined for the full model.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for a state that cannot be read.
 */
export async function checkpointPart(directory: string, model: ModelConfig): Promise<Part | undefined> {
  const state = await readRunState(directory);
  if (state === undefined) return undefined;
  const { config, step } = state;
  const schedule = new Schedule(config.est.schedule, config.steps);
  const part = trainedPart(model, schedule, config.est, Math.max(0, step - 1));
  return isWhole(part, model) ? undefined : part;
}

/**
 * Tokens of the sequences it was trained on, where the model takes more; undefined elsewhere.
 * @param directory as of `checkpointPart`.
 */
export async function trainedLength(directory: string, model: ModelConfig): Promise<number | undefined> {
  const length = (await readRunState(directory))?.config.sequenceLength;
  return length !== undefined && length < model.contextLength ? length : undefined;
}

/** What a checkpoint remembers of its run; undefined for a model that is no checkpoint. */
export async function readRunState(directory: string): Promise<RunState | undefined> {
  const file = path.join(directory, stateFile);
  if (!(await isFile(file))) return undefined;
  return (await readJsonObject(file)) as unknown as RunState;
}

/** "the first 4 of 12 layers", with heads and neurons where some are left out. */
export function describePart(part: Part, model: ModelConfig): string {
  const { layers } = part;
  const of = (counts: readonly number[], all: number, what: string) => {
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    return least < all ? [`${least === most ? most : `${least} to ${most}`} of ${all} ${what}`] : [];
  };
  const { nKvHead } = architectureOf(model);
  const heads = part.heads.slice(0, layers).map((count) => count * (model.nHead / nKvHead));
  const parts = [
    ...of([layers], model.nLayer, 'layers'),
    ...of(heads, model.nHead, 'heads'),
    ...of(part.neurons.slice(0, layers), model.nInner, 'neurons'),
  ];
  return `the first ${parts.join(', ')}`;
}
