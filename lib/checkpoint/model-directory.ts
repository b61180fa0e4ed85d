// A model as a directory that burgeon and transformers both load: config.json, generation_config.json,
// model.safetensors and tokenizer files. Written all or nothing (replace-directory.ts has the crash windows); read
// lazily, from burgeon or from Hugging Face. A checkpoint is such a directory with more files in it: checkpoint.ts.

import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import { requireFunction, requireInteger, requireObject } from '../config/require.ts';
import { listTensors } from '../config/tensors.ts';
import { directoryKind } from '../files/directory-kind.ts';
import { type FileDigest, writeTextDurably } from '../files/durable-file.ts';
import { refusePipe } from '../files/path-kinds.ts';
import { existingDirectory, replaceDirectory } from '../files/replace-directory.ts';
import { checkpointError, explainFailedWrite, explainFailure } from '../formats/checkpoint-error.ts';
import { readJsonObject, toJsonText } from '../formats/json.ts';
import { shardIndexFile, type WeightOptions, type WeightType, weightsFile, writeShards } from '../formats/shards.ts';
import { listNames } from '../quote.ts';
import {
  configFromHuggingFace,
  configToHuggingFace,
  endOfTextFromHuggingFace,
  isKnownModelType,
  savedName,
} from './huggingface.ts';
import { newSpecialIds, readSpecialIds, type SpecialIds } from './special-ids.ts';
import { openWeights } from './weights.ts';

/** What a model directory holds; what is read from one can be written to another. */
export interface ModelContents {
  readonly model: ModelConfig;
  /** Id of the end-of-text token, undefined when the vocabulary has none: stored as bos and eos where there are no `specialIds`. */
  readonly endOfText?: number | undefined;
  /** Of a model that was read: what its files say of special tokens, to be written as it came. */
  readonly specialIds?: SpecialIds | undefined;
  /** File name → text; the names are those isTokenizerFile accepts. */
  readonly tokenizerFiles: Readonly<Record<string, string>>;
  /** The float32 values of one tensor of listTensors(model), row-major. Called once per tensor when writing. */
  readTensor(name: string): Promise<Float32Array>;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for what does not hold a model. */
export function requireContents(contents: ModelContents): void {
  requireObject('contents', contents, 'what Model.contents() gives');
  const { model, tokenizerFiles, readTensor, endOfText } = contents;
  requireObject('contents.model', model);
  parseModelConfig(model);
  requireObject('contents.tokenizerFiles', tokenizerFiles);
  requireFunction('contents.readTensor', readTensor);
  if (endOfText !== undefined) requireInteger('contents.endOfText', endOfText, 0);
}

/** A model directory opened for reading; tensors are read when asked for. */
export interface OpenModelDirectory extends ModelContents {
  readonly directory: string;
  close(): Promise<void>;
}

export const configFile = 'config.json';
const generationConfigFile = 'generation_config.json';

const otherTokenizerFiles = [
  ...['vocab.json', 'merges.txt', 'special_tokens_map.json', 'added_tokens.json'],
  ...['chat_template.jinja', 'chat_template.json'],
];

/** Whether a file name is one under which tokenizers store themselves. Readers and writers go by this alone. */
export function isTokenizerFile(name: string): boolean {
  return /^(burgeon_)?tokenizer[\w-]*\.json$/.test(name) || otherTokenizerFiles.includes(name);
}

/** Whether a file name may occur in a model directory that burgeon replaces. */
export function isModelFile(name: string): boolean {
  const isWeights = name === weightsFile || name === shardIndexFile || /^model-\d+-of-\d+\.safetensors$/.test(name);
  return isWeights || name === configFile || name === generationConfigFile || isTokenizerFile(name);
}

/**
 * Writes a model directory, or replaces one; a failure or kill at any point leaves what was there before.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when `directory` holds anything that is not part of a model.
 */
export function writeModelDirectory(
  directory: string,
  contents: ModelContents,
  options: WeightOptions = {},
): Promise<void> {
  return explainFailedWrite(`writing model ${directory}`, 'what was there before is kept', async () => {
    // A symbolic link stays, and what it points to is replaced.
    const target = await realpath(directory).catch(() => resolve(directory));
    const isTarget = (name: string) => name === basename(target);
    await replaceDirectory(target, isTarget, checkIsModelDirectory, async (temporary) => {
      await writeModelFiles(temporary, contents, options);
    });
  });
}

/**
 * Writes the files of a model into an empty directory.
 * @returns file name → size and hash.
 */
export async function writeModelFiles(
  directory: string,
  contents: ModelContents,
  { dtype = 'F32', maxShardBytes = Infinity }: WeightOptions = {},
): Promise<Record<string, FileDigest>> {
  const { model, tokenizerFiles } = contents;
  const { config: ids, generation } = contents.specialIds ?? newSpecialIds(contents.endOfText);
  const texts: Record<string, string> = {
    [configFile]: toJsonText(configFile, { ...configToHuggingFace(model), ...ids, ...dtypeFields(dtype) }),
    ...(generation && { [generationConfigFile]: toJsonText(generationConfigFile, generation) }),
    ...tokenizerFiles,
  };
  const stranger = Object.keys(tokenizerFiles).find((name) => !isTokenizerFile(name));
  if (stranger !== undefined) {
    throw checkpointError(`tokenizer file ${stranger}: expected a name like tokenizer.json, vocab.json or merges.txt`);
  }
  const tensors = listTensors(model).map(({ name, shape }) => ({
    name: savedName(model, name),
    dtype,
    shape,
    data: () => contents.readTensor(name),
  }));
  const files = await writeShards(directory, tensors, maxShardBytes);
  for (const [name, text] of Object.entries(texts)) files[name] = await writeTextDurably(join(directory, name), text);
  return files;
}

/** What tells transformers the format of the weights, version 4 and version 5; float32 is what it assumes. */
function dtypeFields(dtype: WeightType): Record<string, string> {
  if (dtype === 'F32') return {};
  const name = dtype === 'BF16' ? 'bfloat16' : 'float16';
  return { torch_dtype: name, dtype: name };
}

/**
 * Opens a Hugging Face GPT-2, Llama or Qwen2 directory, one written by writeModelDirectory, or a checkpoint (its optimizer is not
 * needed). Checks the config, tensor names and shapes; not hashes, which only checkpoints have (readCheckpoint).
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the file and what is wrong with it.
 */
export function readModelDirectory(directory: string): Promise<OpenModelDirectory> {
  return explainFailure(`reading model ${directory}`, async () => {
    const actual = await existingDirectory(resolve(directory));
    const entries = await readdir(actual);
    if (!entries.includes(configFile)) {
      throw checkpointError(
        `${directory}: expected a model directory with ${configFile} and ${weightsFile}, found no ${configFile}`,
      );
    }
    const path = join(actual, configFile);
    const config = await readJsonObject(path);
    const configured = configFromHuggingFace(config, path);
    const tokenizerFiles: Record<string, string> = {};
    for (const name of entries.filter(isTokenizerFile)) {
      await refusePipe(join(actual, name));
      tokenizerFiles[name] = await readFile(join(actual, name), 'utf8');
    }
    const hasGeneration = entries.includes(generationConfigFile);
    const generation = hasGeneration ? await readJsonObject(join(actual, generationConfigFile)) : undefined;
    const weights = await openWeights(actual, configured);
    return {
      directory: actual,
      model: weights.model,
      endOfText: endOfTextFromHuggingFace(config),
      specialIds: readSpecialIds(config, generation),
      tokenizerFiles,
      readTensor: weights.read,
      close: weights.close,
    };
  });
}

/** Refuses to replace anything but an empty directory or a model with nothing else beside it. */
async function checkIsModelDirectory(path: string): Promise<void> {
  const advice = 'nothing was written; choose another directory or remove this one';
  if (!(await lstat(path)).isDirectory()) {
    throw checkpointError(`${path}: expected a directory, found a file; ${advice}`);
  }
  const entries = await readdir(path);
  if (entries.length === 0) return;
  const strangers = entries.filter((name) => !isModelFile(name));
  const kind = directoryKind(entries);
  if (kind !== undefined && kind.what !== 'a model' && strangers.length > 0) {
    throw checkpointError(
      `${path}: expected a model directory, found ${kind.what} (${kind.sign}); nothing was written; choose another directory`,
    );
  }
  if (strangers.length > 0) {
    throw checkpointError(`${path}: expected a model directory, found also ${listNames(strangers, 5)}; ${advice}`);
  }
  const isModel = entries.includes(configFile) && isKnownModelType(await readJsonObject(join(path, configFile)));
  if (!isModel) {
    throw checkpointError(
      `${path}: expected a GPT-2, Llama or Qwen2 model directory, found no such ${configFile}; ${advice}`,
    );
  }
}
