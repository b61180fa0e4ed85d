// The weights of a model directory: one model.safetensors, or shards with an index. Opens, checks names and shapes
// against the model, and reads one tensor at a time. config.json and everything else is model-directory.ts.

import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ModelConfig } from '../config/model-config.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { isJsonObject, readJsonObject } from '../formats/json.ts';
import { openSafetensors, type SafetensorsFile, type Values } from '../formats/safetensors.ts';
import { shardIndexFile, weightsFile } from '../formats/shards.ts';
import { resolveTensorNames, tiedHeadCopy, untied } from './huggingface.ts';

/** Open weights; names are those of listTensors. */
export interface Weights {
  /** The model they are of: untied, where a head that config.json ties has weights of its own. */
  model: ModelConfig;
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Opens the weights in a directory; model.safetensors wins over shards, as in transformers.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when they are absent, damaged, or not those of `model`.
 */
export async function openWeights(directory: string, model: ModelConfig): Promise<Weights> {
  const exists = (name: string) =>
    access(join(directory, name)).then(
      () => true,
      () => false,
    );
  if (await exists(weightsFile)) return openFiles(directory, weightsFile, undefined, model);
  if (await exists(shardIndexFile)) {
    return openFiles(directory, shardIndexFile, await readWeightMap(join(directory, shardIndexFile)), model);
  }
  throw checkpointError(
    `${directory}: expected ${weightsFile} or ${shardIndexFile}, found neither. Other formats (pytorch_model.bin) must be ` +
      'converted first, for instance with save_pretrained of a recent transformers',
  );
}

async function readWeightMap(path: string): Promise<Record<string, string>> {
  const { weight_map: weightMap } = await readJsonObject(path);
  // Only plain names: an index must not point outside its directory.
  const isShard = (file: unknown) =>
    typeof file === 'string' && file === basename(file) && file.endsWith('.safetensors');
  if (isJsonObject(weightMap) && Object.values(weightMap).every(isShard)) return weightMap as Record<string, string>;
  throw checkpointError(
    `${path}: weight_map: expected a map from tensor to .safetensors file name in the same directory`,
  );
}

/** @param weightMap tensor name → shard; undefined for the single file `source`. */
async function openFiles(
  directory: string,
  source: string,
  weightMap: Record<string, string> | undefined,
  model: ModelConfig,
): Promise<Weights> {
  const files = new Map<string, SafetensorsFile>();
  const close = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    for (const name of new Set(weightMap ? Object.values(weightMap) : [source])) {
      files.set(name, await openSafetensors(join(directory, name)));
    }
    const holders = weightMap
      ? new Map(Object.entries(weightMap).map(([tensor, shard]) => [tensor, files.get(shard)!]))
      : new Map(files.get(source)!.names.map((tensor) => [tensor, files.get(source)!]));
    const found = new Map(
      [...holders].map(([tensor, file]) => {
        const layout = file.tensors.get(tensor);
        if (layout) return [tensor, layout];
        throw checkpointError(`${file.path}: tensor ${tensor} is missing, although ${source} says it is here`);
      }),
    );
    const path = join(directory, source);
    const fileNames = resolveTensorNames(found, model, path);
    const pieces = (name: string) => holders.get(fileNames.get(name)!)!.pieces(fileNames.get(name)!);
    const read = async (name: string) => {
      const fileName = fileNames.get(name);
      if (fileName === undefined) throw checkpointError(`${directory}: the model has no tensor called ${name}`);
      return holders.get(fileName)!.read(fileName);
    };
    const copy = tiedHeadCopy(model, fileNames);
    const isTied = copy === undefined || (await areEqual(pieces(copy.head), pieces(copy.embedding)));
    if (!isTied) return { model: untied(model, path), read, close };
    if (copy !== undefined) fileNames.delete(copy.head);
    return { model, read, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether two tensors of one shape hold the same numbers, in whatever pieces. */
async function areEqual(one: AsyncGenerator<Values>, other: AsyncGenerator<Values>): Promise<boolean> {
  let [a, b]: Values[] = [new Float32Array(), new Float32Array()];
  for (;;) {
    if (a!.length === 0) a = (await one.next()).value as Values | undefined;
    if (b!.length === 0) b = (await other.next()).value as Values | undefined;
    if (a === undefined || b === undefined) return a === b;
    const count = Math.min(a.length, b.length);
    for (let i = 0; i < count; i++) if (!Object.is(a[i]! + 0, b[i]! + 0)) return false;
    [a, b] = [a.subarray(count), b.subarray(count)];
  }
}
