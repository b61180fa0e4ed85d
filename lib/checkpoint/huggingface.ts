// Models in Hugging Face terms: config.json both ways, the tensors of the causal language model, and matching the names
// found in a file with them. Pure. What differs between architectures is in huggingface-gpt2.ts and
// huggingface-llama.ts; files are weights.ts and model-directory.ts.

import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import type { Json } from './huggingface-config.ts';
import type { Family, KeptCounts } from './huggingface-family.ts';
import { gpt2Family } from './huggingface-gpt2.ts';
import { llamaFamily } from './huggingface-llama.ts';

const head = 'lm_head.weight';
const families = { gpt2: gpt2Family, llama: llamaFamily };
const modelTypes = Object.values(families).map(({ modelType }) => modelType);

function familyOf(model: ModelConfig): Family<ModelConfig> {
  return families[model.architecture] as Family<ModelConfig>;
}

/**
 * The config.json with which transformers (4 and 5) computes the same function as burgeon, but for the ids of special tokens
 * (special-ids.ts).
 */
export function configToHuggingFace(model: ModelConfig): Record<string, unknown> {
  return familyOf(model).toJson(model);
}

/** Whether a config.json is of an architecture that burgeon knows. */
export function isKnownModelType(json: Json): boolean {
  return modelTypes.includes(json.model_type as string);
}

/**
 * Reads a config.json.
 * @param source names the file in errors.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing everything that is missing, malformed or not supported.
 */
export function configFromHuggingFace(json: Json, source = 'config.json'): ModelConfig {
  const family = Object.values(families).find(({ modelType }) => modelType === json.model_type);
  if (family !== undefined) return family.fromJson(json, source);
  const known = modelTypes.map((type) => JSON.stringify(type)).join(' or ');
  throw checkpointError(
    `${source}: model_type: expected ${known}, found ${JSON.stringify(json.model_type)}; burgeon reads GPT-2 and Llama models only`,
  );
}

/** The end-of-text id of a config.json; undefined when there is none or several. */
export function endOfTextFromHuggingFace(json: Json): number | undefined {
  const id = json.eos_token_id;
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

/**
 * The model that is left when so much of `model` is kept.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG when transformers could not represent it.
 */
export function smallerModel(model: ModelConfig, kept: KeptCounts): ModelConfig {
  return familyOf(model).smaller(model, kept);
}

/** The name under which transformers saves a tensor of `listTensors`. */
export function savedName(model: ModelConfig, name: string): string {
  return name === head ? name : familyOf(model).prefix + name;
}

/**
 * Finds the model's tensors among those of a file. Names may have the family's prefix or not; buffers and a tied
 * `lm_head.weight` are passed over (the latter stands in for the token embedding where only it was saved).
 * @param found  tensor name in the file → shape.
 * @param source names the file in errors.
 * @returns name without prefix → name in the file, for every tensor of `listTensors(model)`.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing all missing, unknown, doubled and wrongly shaped tensors.
 */
export function resolveTensorNames(
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  model: ModelConfig,
  source = 'model.safetensors',
): Map<string, string> {
  const { prefix, buffers, tokenEmbedding, tiedHead } = familyOf(model);
  const isTied = tiedHead(model);
  const table = listTensors(model);
  const expected = new Set(table.map(({ name }) => name));
  const resolved = new Map<string, string>();
  const unknown: string[] = [];
  const doubled: string[] = [];
  for (const fileName of found.keys()) {
    const name = fileName.startsWith(prefix) ? fileName.slice(prefix.length) : fileName;
    if ((isTied && fileName === head) || buffers.test(name)) continue;
    if (!expected.has(name)) unknown.push(fileName);
    else if (resolved.has(name)) doubled.push(fileName);
    else resolved.set(name, fileName);
  }
  if (isTied && !resolved.has(tokenEmbedding) && found.has(head)) resolved.set(tokenEmbedding, head);

  const missing: string[] = [];
  const misshapen: string[] = [];
  for (const { name, shape } of table) {
    const fileName = resolved.get(name);
    const fileShape = fileName === undefined ? undefined : found.get(fileName)!.shape;
    if (fileShape === undefined) missing.push(name);
    else if (fileShape.join() !== shape.join()) misshapen.push(`${fileName} [${fileShape}] instead of [${shape}]`);
  }
  const problems = Object.entries({ missing, unknown, doubled, 'wrong shape': misshapen })
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `\n  ${kind} (${names.length}): ${names.join(', ')}`);
  if (problems.length === 0) return resolved;
  throw checkpointError(`${source}: the tensors are not those of the model in config.json:${problems.join('')}`);
}
