// How the weights of a model directory are spread over files: one model.safetensors, or shards with an index, as
// transformers names them. Pure but for writeShards.

import { join } from 'node:path';
import { type FileDigest, writeTextDurably } from '../files/durable-file.ts';
import { checkpointError } from './checkpoint-error.ts';
import { toJsonText } from './json.ts';
import { type TensorSource, writeSafetensors } from './safetensors.ts';
import { elementCount } from './safetensors-header.ts';

export const weightsFile = 'model.safetensors';
export const shardIndexFile = 'model.safetensors.index.json';

/** Formats of weights on disk. */
export const weightTypes = ['F32', 'BF16', 'F16'] as const;
export type WeightType = (typeof weightTypes)[number];

export interface WeightOptions {
  /** Default 'F32'. */
  dtype?: WeightType;
  /** Most bytes of tensors per file; a larger tensor has a file of its own. Default: one file. */
  maxShardBytes?: number;
}

type WeightSource = Extract<TensorSource, { dtype: WeightType }>;

/** Tensors in order, in files of at most `maxBytes`. */
export function planShards<T extends { readonly dtype: WeightType; readonly shape: readonly number[] }>(
  tensors: readonly T[],
  maxBytes: number,
): T[][] {
  const shards: T[][] = [];
  let used = 0;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor);
    if (shards.length === 0 || used + bytes > maxBytes) {
      shards.push([]);
      used = 0;
    }
    shards.at(-1)!.push(tensor);
    used += bytes;
  }
  return shards;
}

/**
 * Writes tensors into a directory.
 * @returns file name → size and hash.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when a finite weight would become infinite in the format.
 */
export async function writeShards(
  directory: string,
  tensors: readonly WeightSource[],
  maxShardBytes: number,
): Promise<Record<string, FileDigest>> {
  const shards = planShards(tensors.map(checkRange), maxShardBytes);
  const files: Record<string, FileDigest> = {};
  const metadata = { format: 'pt' };
  if (shards.length === 1) {
    files[weightsFile] = await writeSafetensors(join(directory, weightsFile), shards[0]!, metadata);
    return files;
  }
  const weightMap: Record<string, string> = {};
  const digits = (n: number) => String(n).padStart(5, '0');
  for (const [i, shard] of shards.entries()) {
    const name = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    files[name] = await writeSafetensors(join(directory, name), shard, metadata);
    for (const tensor of shard) weightMap[tensor.name] = name;
  }
  const total = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const index = toJsonText(shardIndexFile, { metadata: { total_size: total }, weight_map: weightMap });
  files[shardIndexFile] = await writeTextDurably(join(directory, shardIndexFile), index);
  return files;
}

function bytesOf({ dtype, shape }: { readonly dtype: WeightType; readonly shape: readonly number[] }): number {
  return elementCount(shape) * (dtype === 'F32' ? 4 : 2);
}

/** The largest value that rounds to a finite binary16 is below this. */
const float16Limit = 65_520;

function checkRange(tensor: WeightSource): WeightSource {
  if (tensor.dtype !== 'F16') return tensor;
  return {
    ...tensor,
    data: async () => {
      const values = await tensor.data();
      const large = values.find((value) => Math.abs(value) >= float16Limit && Number.isFinite(value));
      if (large === undefined) return values;
      throw checkpointError(`tensor ${tensor.name}: ${large} is too large for F16 (at most 65504); use BF16`);
    },
  };
}
