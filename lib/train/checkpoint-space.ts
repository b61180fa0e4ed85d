// Whether the checkpoints of a run fit the disk: known before training, where it costs nothing to find out.

import { readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { findCheckpoints } from '../checkpoint/checkpoint-list.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { BurgeonError } from '../errors.ts';
import { isMissing } from '../files/is-missing.ts';
import { bytes } from '../format.ts';
import { momentsOf } from '../optim/optimizer.ts';
import type { TrainConfig } from './train-config.ts';

export interface CheckpointSpace {
  /** Of one checkpoint: weights and moments in float32. The rest is small. */
  bytes: number;
  /** The most that are there at once: those that stay, the best, and the one that is being written. */
  count: number;
  /** What they may take: what is free on the disk of the output, and what the checkpoints there take. Null: not known. */
  available: number | null;
}

type SpaceConfig = Pick<TrainConfig, 'output' | 'steps' | 'checkpoint' | 'optimizer'>;

/** Bytes of one checkpoint. */
function checkpointBytes(model: ModelConfig, { optimizer }: Pick<TrainConfig, 'optimizer'>): number {
  const numbers = listTensors(model).map(
    (tensor) => (1 + momentsOf(optimizer.type, tensor).length) * tensor.shape.reduce((a, b) => a * b, 1),
  );
  return Float32Array.BYTES_PER_ELEMENT * numbers.reduce((sum, each) => sum + each, 0);
}

/** Whether a disk has no room for one checkpoint more, as far as is known. */
export async function lacksRoom(
  model: ModelConfig,
  config: Pick<TrainConfig, 'output' | 'optimizer'>,
): Promise<boolean> {
  try {
    const { bavail, blocks, bsize } = await statfs(config.output);
    return blocks > 0 && bavail * bsize < checkpointBytes(model, config);
  } catch {
    return false;
  }
}

export async function checkpointSpace(model: ModelConfig, config: SpaceConfig): Promise<CheckpointSpace> {
  const { output, steps, checkpoint } = config;
  const { every, everyMinutes, keepLast, keepBest } = checkpoint;
  const written = everyMinutes > 0 ? steps : 1 + (every > 0 ? Math.floor((steps - 1) / every) : 0);
  return {
    bytes: checkpointBytes(model, config),
    count: Math.min(written, keepLast + (keepBest ? 1 : 0) + 1),
    available: await availableBytes(output),
  };
}

/**
 * @returns what has to be said where not all of them fit; undefined where they do, or nobody knows.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where not even one does.
 */
export function checkSpace(space: CheckpointSpace, output: string): string | undefined {
  const { bytes: each, count, available } = space;
  if (available === null || count * each <= available) return undefined;
  if (each > available) {
    throw new BurgeonError(
      'ERR_BURGEON_CHECKPOINT',
      `output ${output}: expected room for a checkpoint of ${bytes(each)}, found ${bytes(available)} on its disk; free some, or choose another output`,
    );
  }
  return (
    `checkpoints take ${bytes(each)} each, and up to ${count} of them are there at once; ${output} has room for ` +
    `${Math.floor(available / each)} (${bytes(available)}): free some, or lower checkpoint.keepLast`
  );
}

/** Null where the file system does not say. */
async function availableBytes(directory: string): Promise<number | null> {
  try {
    const { bavail, blocks, bsize } = await statfs(await existing(path.resolve(directory)));
    return blocks === 0 ? null : bavail * bsize + (await bytesOfCheckpoints(directory));
  } catch {
    return null;
  }
}

/** The directory, or the nearest one above it that exists. */
async function existing(directory: string): Promise<string> {
  try {
    await stat(directory);
    return directory;
  } catch (error) {
    if (!isMissing(error) || path.dirname(directory) === directory) throw error;
    return existing(path.dirname(directory));
  }
}

/** They make room for those to come. */
async function bytesOfCheckpoints(runDirectory: string): Promise<number> {
  let sum = 0;
  for (const { directory } of await findCheckpoints(runDirectory)) {
    for (const name of await readdir(directory)) sum += (await stat(path.join(directory, name))).size;
  }
  return sum;
}
