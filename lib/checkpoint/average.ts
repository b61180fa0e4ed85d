// The newest checkpoints of a run as one model, whose weights are the means of theirs (Izmailov et al., arXiv 1803.05407; of the last
// checkpoints, Kaddour, arXiv 2209.14981). A tensor of each is in memory at a time.

import { isDeepStrictEqual } from 'node:util';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { findCheckpoints } from './checkpoint-list.ts';
import type { OpenModelDirectory } from './model-directory.ts';
import { openModel } from './open-model.ts';

export interface OpenAverage extends OpenModelDirectory {
  /** Of the checkpoints, the oldest first. */
  readonly directories: readonly string[];
  readonly steps: readonly number[];
}

/**
 * @param count at least 1. Everything but weights is the newest checkpoint's.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where there are fewer, or one is damaged or of another model.
 */
export async function openAverage(runDirectory: string, count: number): Promise<OpenAverage> {
  const found = (await findCheckpoints(runDirectory)).filter(({ valid }) => valid);
  const chosen = found.slice(-count);
  if (chosen.length < count) {
    throw checkpointError(
      `${runDirectory}: expected a run with ${count} checkpoints or more to average, found ${found.length}; give a smaller number, or keep more of the next run (checkpoint.every, checkpoint.keepLast)`,
    );
  }
  const opened: OpenModelDirectory[] = [];
  const close = async () => {
    await Promise.all(opened.map((model) => model.close()));
  };
  try {
    for (const { directory } of chosen) opened.push(await openModel(directory));
    const newest = opened.at(-1)!;
    const other = opened.findIndex(({ model }) => !isDeepStrictEqual(model, newest.model));
    if (other >= 0) {
      throw checkpointError(`${chosen[other]!.directory}: expected a model as in ${newest.directory}, found another`);
    }
    return {
      ...newest,
      directories: chosen.map(({ directory }) => directory),
      steps: chosen.map(({ step }) => step),
      readTensor: (name) => meanOf(opened, name),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Added up in float64, the oldest first. */
async function meanOf(models: readonly OpenModelDirectory[], name: string): Promise<Float32Array> {
  let sums: Float64Array | undefined;
  for (const model of models) {
    const values = await model.readTensor(name);
    if (sums === undefined) sums = Float64Array.from(values);
    else for (let i = 0; i < values.length; i++) sums[i]! += values[i]!;
  }
  return Float32Array.from(sums!, (sum) => sum / models.length);
}
