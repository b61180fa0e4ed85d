// Reads a training configuration from a file. It comes with a model of its own, or takes that of `initFrom` or, when it is
// resumed, of its checkpoint.

import { latestIntactCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { findModel } from '../checkpoint/find-model.ts';
import { configFile, readModelDirectory } from '../checkpoint/model-directory.ts';
import { openModel } from '../checkpoint/open-model.ts';
import { applyOverrides, readConfigFile } from '../config/config-file.ts';
import { isPath } from '../config/fields.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { optional, requireObject, requireText, requireTexts } from '../config/require.ts';
import { isJsonObject } from '../formats/json.ts';
import { parseTrainConfig, type TrainConfig } from './train-config.ts';

/**
 * Reads a training configuration. Relative paths inside the file stay as they are and so refer to the current working
 * directory, not to the file's. What it leaves open of the model is that of `initFrom`, or of the checkpoint to resume.
 * @param file YAML or JSON.
 * @param options.set overrides `a.b=value`, for example `optimizer.learningRate=1e-3`; the value is YAML.
 * @param options.resume whether the run is to be continued, which needs neither `model` nor `initFrom` once it has a checkpoint.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if the file is missing or no YAML, an override cannot be applied, or with
 *   one line per problem of the configuration; ERR_BURGEON_CHECKPOINT when `initFrom` is no model.
 */
export async function loadTrainConfig(
  file: string,
  options: { set?: readonly string[] | undefined; resume?: boolean | undefined } = {},
): Promise<TrainConfig> {
  requireText('file', file, 'the path of a configuration');
  requireObject('options', options);
  optional(requireTexts, 'options.set', options.set);
  const data = applyOverrides(await readConfigFile(file), options.set ?? []);
  return completeTrainConfig(data, file, options.resume ?? false);
}

/**
 * The same for data that have been read.
 * @param file where they come from, for errors.
 */
export async function completeTrainConfig(data: unknown, file: string, resume: boolean): Promise<TrainConfig> {
  const initial = await initialModel(data, resume);
  if (initial === undefined) return parseTrainConfig(data, file);
  const { model, ...rest } = data as Record<string, unknown>;
  const config = parseTrainConfig({ ...rest, model: model ?? initial }, file);
  return { ...config, model: { ...config.model, vocabSize: config.model.vocabSize ?? initial.vocabSize } };
}

async function initialModel(data: unknown, resume: boolean): Promise<ModelConfig | undefined> {
  const { initFrom, output, model } = isJsonObject(data) ? data : {};
  const isGiven = isPath(initFrom);
  if (!isGiven && model !== undefined) return undefined;
  // All checkpoints of a run are of one model; what else is in them is compared when the run directory is entered.
  const isConfig = (file: string) => file === configFile;
  const { latest } = resume && isPath(output) ? await latestIntactCheckpoint(output, isConfig) : {};
  if (latest === undefined && !isGiven) return undefined;
  const source = latest
    ? await readModelDirectory(latest.directory)
    : await openModel(await findModel(initFrom as string));
  await source.close();
  return source.model;
}
