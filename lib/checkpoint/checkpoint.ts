// One checkpoint of a training run: a model directory (model-directory.ts) plus optimizer moments, trainer state and a
// manifest with hashes, named checkpoint-<step, 8 digits>. Everything needed to repeat an uninterrupted run exactly.
// Crash windows: all files are written and fsynced under a .tmp- name, the manifest last, and the directory is renamed
// when it is whole; a kill before the rename costs only the new checkpoint, after it nothing. A checkpoint of the same
// step is replaced by two renames, and found again between them (replace-directory.ts). Power cuts count as kills.
// Which checkpoints a run has, and which to keep, is checkpoint-list.ts. One process writes to a run directory.

import { lstat, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { writeTextDurably } from '../files/durable-file.ts';
import { existingDirectory, replaceDirectory } from '../files/replace-directory.ts';
import { checkpointError, explainFailedWrite, explainFailure } from '../formats/checkpoint-error.ts';
import { readJsonObject, toJsonText } from '../formats/json.ts';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../formats/safetensors.ts';
import { weightsFile } from '../formats/shards.ts';
import { type Moment, momentsOf, type OptimizerType, optimizerTypes } from '../optim/optimizer.ts';
import { type Manifest, manifestFile, readManifest, verifyHashes } from './manifest.ts';
import {
  configFile,
  isModelFile,
  type ModelContents,
  type OpenModelDirectory,
  readModelDirectory,
  writeModelFiles,
} from './model-directory.ts';

/** Everything a checkpoint holds. */
export interface CheckpointContents extends ModelContents {
  /** It decides which moments there are (lib/optim/optimizer.ts). */
  readonly optimizer: OptimizerType;
  /** A moment of one tensor, float32, of that tensor's shape. */
  readMoment(name: string, moment: Moment): Promise<Float32Array>;
  /** The trainer's own state: plain JSON, finite numbers only. */
  readonly state: object;
}

/** A verified checkpoint; tensors and moments are read when asked for. */
export interface OpenCheckpoint extends OpenModelDirectory, CheckpointContents {
  readonly step: number;
  readonly state: Readonly<Record<string, unknown>>;
}

export const optimizerFile = 'optimizer.safetensors';
export const stateFile = 'burgeon_state.json';
const requiredFiles = [configFile, weightsFile, optimizerFile, stateFile] as const;

/** `checkpoint-00000100` for step 100. */
export function checkpointName(step: number): string {
  return `checkpoint-${String(step).padStart(8, '0')}`;
}

/** The step in a checkpoint's directory name; undefined for any other name. */
export function stepOfName(name: string): number | undefined {
  const step = Number(/^checkpoint-(\d{8,15})$/.exec(name)?.[1] ?? NaN);
  return checkpointName(step) === name ? step : undefined;
}

/**
 * Writes the checkpoint of a step, replacing one of the same step, and returns when it would survive a power cut.
 * Needs the memory of one tensor.
 * @returns the checkpoint's directory.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT; the run directory then holds what it held before.
 */
export function writeCheckpoint(runDirectory: string, step: number, contents: CheckpointContents): Promise<string> {
  const target = resolve(runDirectory, checkpointName(step));
  return explainFailedWrite(`writing checkpoint ${target}`, 'earlier checkpoints are kept', async () => {
    if (stepOfName(checkpointName(step)) === undefined) {
      throw checkpointError(`step: expected a whole number from 0, received ${step}`);
    }
    const isCheckpointName = (name: string) => stepOfName(name) !== undefined;
    await replaceDirectory(target, isCheckpointName, checkIsCheckpoint, async (directory) => {
      const files = await writeModelFiles(directory, contents);
      files[optimizerFile] = await writeSafetensors(join(directory, optimizerFile), momentSources(contents));
      files[stateFile] = await writeTextDurably(join(directory, stateFile), toJsonText(stateFile, contents.state));
      const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
      const manifest: Manifest = { format: 'burgeon-checkpoint', version: 1, step, files: sorted };
      await writeTextDurably(join(directory, manifestFile), toJsonText(manifestFile, manifest));
    });
    return target;
  });
}

/**
 * Opens a checkpoint after comparing every file with its recorded size and SHA-256 (one pass over all bytes).
 * @param options.isVerified the hashes were compared just now (latestIntactCheckpoint).
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the damaged file and what to do.
 */
export function readCheckpoint(
  directory: string,
  { isVerified = false }: { isVerified?: boolean } = {},
): Promise<OpenCheckpoint> {
  return explainFailure(`reading checkpoint ${directory}`, async () => {
    const actual = await existingDirectory(resolve(directory));
    const manifest = await verifyCheckpoint(actual);
    if (!isVerified) await verifyHashes(actual, manifest);
    const state = await readJsonObject(join(actual, stateFile));
    const files = await readModelDirectory(actual);
    try {
      const { file, optimizer } = await openMoments(join(actual, optimizerFile), files.model);
      return {
        ...files,
        optimizer,
        step: manifest.step,
        state,
        readMoment: (name, moment) => file.read(`${moment}/${name}`),
        close: async () => {
          await Promise.all([files.close(), file.close()]);
        },
      };
    } catch (error) {
      await files.close();
      throw error;
    }
  });
}

/**
 * Checks that a checkpoint is complete by names and sizes, without reading the tensors.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming what is missing.
 */
export function verifyCheckpoint(directory: string): Promise<Manifest> {
  return readManifest(directory, requiredFiles);
}

function momentSources(contents: CheckpointContents) {
  return listMoments(contents.model, contents.optimizer).map(({ name, shape, moment }) => ({
    name: `${moment}/${name}`,
    dtype: 'F32' as const,
    shape,
    data: () => contents.readMoment(name, moment),
  }));
}

/** Of all tensors that have it the first, then the second. */
function listMoments(model: ModelConfig, optimizer: OptimizerType) {
  return (['m', 'v'] as const).flatMap((moment) =>
    listTensors(model)
      .filter((tensor) => momentsOf(optimizer, tensor).includes(moment))
      .map(({ name, shape }) => ({ name, shape, moment })),
  );
}

/** Which moments there are says which optimizer the checkpoint is of. */
async function openMoments(
  path: string,
  model: ModelConfig,
): Promise<{ file: SafetensorsFile; optimizer: OptimizerType }> {
  const file = await openSafetensors(path);
  const expectedOf = (optimizer: OptimizerType) =>
    listMoments(model, optimizer)
      .map(({ name, shape, moment }) => `${moment}/${name} [${shape}]`)
      .sort();
  const found = [...file.tensors].map(([name, { shape }]) => `${name} [${shape}]`).sort();
  const optimizer = optimizerTypes.find((type) => expectedOf(type).join() === found.join());
  if (optimizer !== undefined) return { file, optimizer };
  await file.close();
  const expected = expectedOf('adamw');
  const missing = expected.filter((tensor) => !found.includes(tensor));
  const unknown = found.filter((tensor) => !expected.includes(tensor));
  throw checkpointError(
    `${path}: not the moments of the model in ${configFile}: missing ${missing.join(', ') || 'none'}; ` +
      `unknown ${unknown.join(', ') || 'none'}`,
  );
}

/** A torn checkpoint may be replaced; a directory with anything else in it may not. */
async function checkIsCheckpoint(path: string): Promise<void> {
  const isOurs = (name: string) => isModelFile(name) || [optimizerFile, stateFile, manifestFile].includes(name);
  const strangers = (await lstat(path)).isDirectory()
    ? (await readdir(path)).filter((name) => !isOurs(name))
    : ['a file'];
  if (strangers.length === 0) return;
  throw checkpointError(`${path}: expected a checkpoint directory, found ${strangers.join(', ')}; move it away`);
}
