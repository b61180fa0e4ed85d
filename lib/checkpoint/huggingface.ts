// Models in Hugging Face terms: config.json both ways, the tensors of the causal language model, and matching the names
// found in a file with them. Pure. What differs between architectures is in huggingface-gpt2.ts,
// huggingface-llama.ts and huggingface-qwen2.ts; files are weights.ts and model-directory.ts.

import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { listNames, quote } from '../quote.ts';
import { type Json, requirePlainWeights } from './huggingface-config.ts';
import type { Family, KeptCounts } from './huggingface-family.ts';
import { gpt2Family } from './huggingface-gpt2.ts';
import { llamaFamily } from './huggingface-llama.ts';
import { qwen2Family } from './huggingface-qwen2.ts';

const head = 'lm_head.weight';
const families = { gpt2: gpt2Family, llama: llamaFamily, qwen2: qwen2Family } satisfies Record<
  ModelConfig['architecture'],
  unknown
>;
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
  if (family !== undefined) {
    requirePlainWeights(json, source);
    return family.fromJson(json, source);
  }
  const known = modelTypes.map((type) => JSON.stringify(type)).join(' or ');
  throw checkpointError(
    `${source}: model_type: expected ${known}, found ${quote(json.model_type)}; burgeon reads GPT-2, Llama and Qwen2 models only`,
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

/** Names that wrappers of a model put in front of, or into, its tensors' names: torch.compile, DataParallel, PEFT. */
const wrappers = /^(?:module\.|base_model\.model\.)+|(?<=^|\.)_orig_mod\./g;

/** A tensor's name as the model itself saves it: `_orig_mod.module.lm_head.weight` is `lm_head.weight`. */
function unwrapped(fileName: string): string {
  const name = fileName.replace(wrappers, '');
  return name === fileName ? name : unwrapped(name);
}

/**
 * Finds the model's tensors among those of a file. Names may have the family's prefix or not, and those of wrappers
 * (`_orig_mod.`, `module.`, `base_model.model.`); buffers are passed over. A head that is tied in the model and stands in
 * the file is listed as `lm_head.weight`, for the caller to compare; where only it was saved it is the token embedding.
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
  const expected = new Map(listTensors(model).map(({ name, shape }) => [name, shape]));
  const required = [...expected.keys()];
  if (tiedHead(model)) expected.set(head, expected.get(tokenEmbedding)!);
  const resolved = new Map<string, string>();
  const unknown: string[] = [];
  const doubled: string[] = [];
  for (const fileName of found.keys()) {
    const plain = unwrapped(fileName);
    const name = plain.startsWith(prefix) ? plain.slice(prefix.length) : plain;
    if (buffers.test(name)) continue;
    if (!expected.has(name)) unknown.push(fileName);
    else if (resolved.has(name)) doubled.push(fileName);
    else resolved.set(name, fileName);
  }
  if (tiedHead(model) && !resolved.has(tokenEmbedding) && resolved.has(head)) {
    resolved.set(tokenEmbedding, resolved.get(head)!);
    resolved.delete(head);
  }

  const missing = required.filter((name) => !resolved.has(name));
  const misshapen = [...resolved].flatMap(([name, fileName]) => {
    const [came, shape] = [found.get(fileName)!.shape, expected.get(name)!];
    return came.join() === shape.join() ? [] : [`${fileName} [${came}] instead of [${shape}]`];
  });
  const problems = Object.entries({ missing, unknown, doubled, 'wrong shape': misshapen })
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `\n  ${kind} (${names.length}): ${listNames(names)}`);
  if (problems.length === 0) return resolved;
  const isAdapter = unknown.some((name) => /\.lora_|\.base_layer\./.test(name));
  const hint = isAdapter ? '\nit holds an adapter (LoRA): merge it first, with merge_and_unload of peft' : '';
  throw checkpointError(`${source}: the tensors are not those of the model in config.json:${problems.join('')}${hint}`);
}

/** A head that stands in the file beside the embedding to which the model ties it, as names of `resolveTensorNames`. */
export function tiedHeadCopy(
  model: ModelConfig,
  resolved: ReadonlyMap<string, string>,
): { head: string; embedding: string } | undefined {
  const { tiedHead, tokenEmbedding } = familyOf(model);
  return tiedHead(model) && resolved.has(head) ? { head, embedding: tokenEmbedding } : undefined;
}

/**
 * What a head that is tied in config.json, but has weights of its own in the file, makes of the model.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where such a model cannot have a head of its own.
 */
export function untied(model: ModelConfig, source: string): ModelConfig {
  if (model.architecture !== 'gpt2') return { ...model, tiedHead: false };
  throw checkpointError(
    `${source}: ${head} differs from ${savedName(model, familyOf(model).tokenEmbedding)}, but the two are one in GPT-2 ` +
      '(tie_word_embeddings); burgeon has no GPT-2 with an output head of its own. Where the head is a left-over, delete ' +
      `${head} from the file`,
  );
}
