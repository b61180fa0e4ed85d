// GPT-2 in Hugging Face terms: config.json both ways, the tensors of GPT2LMHeadModel, and matching the names found in
// a file with them. Pure. Source: transformers configuration_gpt2.py and modeling_gpt2.py. Files are weights.ts and
// model-directory.ts.

import type { ModelConfig } from '../config/model-config.ts';
import { checkpointError } from './checkpoint-error.ts';

/** Parameter name without the `transformer.` prefix, and its shape; Conv1D matrices are [in, out]. */
export interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** In front of every name when GPT2LMHeadModel saves itself; absent when GPT2Model does, as in the public weights. */
export const savedPrefix = 'transformer.';

/**
 * The config.json with which GPT2LMHeadModel computes the same function as burgeon (transformers 4 and 5).
 * @param endOfText token id written as bos and eos; null is written when the vocabulary has none, because the default
 *   (50256) may lie outside it.
 */
export function configToHuggingFace(model: ModelConfig, endOfText?: number | undefined): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: model.vocabSize,
    n_positions: model.contextLength,
    n_embd: model.nEmbd,
    n_layer: model.nLayer,
    n_head: model.nHead,
    n_inner: model.nInner === 4 * model.nEmbd ? null : model.nInner,
    activation_function: 'gelu_new',
    layer_norm_epsilon: model.layerNormEpsilon,
    initializer_range: 0.02,
    // Trained without dropout: the defaults (0.1) would add it to fine-tuning unasked.
    resid_pdrop: 0.0,
    embd_pdrop: 0.0,
    attn_pdrop: 0.0,
    scale_attn_weights: true,
    bos_token_id: endOfText ?? null,
    eos_token_id: endOfText ?? null,
    tie_word_embeddings: true,
  };
}

/** Options of GPT2Config that change the function, and the values burgeon implements; absent means the first. */
const supportedOptions: Readonly<Record<string, readonly unknown[]>> = {
  // gelu_pytorch_tanh is the same formula under another name.
  activation_function: ['gelu_new', 'gelu_pytorch_tanh'],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  add_cross_attention: [false],
  tie_word_embeddings: [true],
};

/**
 * Reads a GPT-2 config.json. Dropout rates are ignored: burgeon has none.
 * @param source names the file in errors.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing everything that is missing, malformed or not supported.
 */
export function configFromHuggingFace(json: Readonly<Record<string, unknown>>, source = 'config.json'): ModelConfig {
  if (json.model_type !== 'gpt2') {
    const found = JSON.stringify(json.model_type);
    throw checkpointError(`${source}: model_type: expected "gpt2", found ${found}; burgeon reads GPT-2 models only`);
  }
  const problems: string[] = [];
  const count = (key: string): number => {
    const value = json[key];
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    problems.push(`${key}: expected a positive integer, found ${JSON.stringify(value)}`);
    return 1;
  };
  const nEmbd = count('n_embd');
  const epsilon = json.layer_norm_epsilon ?? 1e-5;
  const model: ModelConfig = {
    architecture: 'gpt2',
    nLayer: count('n_layer'),
    nHead: count('n_head'),
    nEmbd,
    nInner: (json.n_inner ?? null) === null ? 4 * nEmbd : count('n_inner'),
    contextLength: count('n_positions'),
    vocabSize: count('vocab_size'),
    layerNormEpsilon: typeof epsilon === 'number' ? epsilon : NaN,
  };
  if (!(model.layerNormEpsilon > 0)) {
    problems.push(`layer_norm_epsilon: expected a positive number, found ${JSON.stringify(epsilon)}`);
  }
  if (problems.length === 0 && nEmbd % model.nHead !== 0) {
    problems.push(`n_head: expected a divisor of n_embd (${nEmbd}), found ${model.nHead}`);
  }
  for (const [option, values] of Object.entries(supportedOptions)) {
    const value = json[option] ?? values[0];
    if (!values.includes(value)) {
      const supported = values.map((each) => JSON.stringify(each)).join(' or ');
      problems.push(`${option}: burgeon supports ${supported}, found ${JSON.stringify(value)}`);
    }
  }
  if (problems.length > 0) {
    throw checkpointError(`${source}: not a model burgeon can read:\n  ${problems.join('\n  ')}`);
  }
  return model;
}

/** The end-of-text id of a config.json; undefined when there is none or several. */
export function endOfTextFromHuggingFace(json: Readonly<Record<string, unknown>>): number | undefined {
  const id = json.eos_token_id;
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

/** Every parameter of the model once, in model order. The output head is wte.weight. */
export function tensorTable(model: ModelConfig): TensorShape[] {
  const { nEmbd: C, nInner: F, vocabSize: V, contextLength, nLayer } = model;
  const norm = (name: string): TensorShape[] => [
    { name: `${name}.weight`, shape: [C] },
    { name: `${name}.bias`, shape: [C] },
  ];
  const linear = (name: string, inputs: number, outputs: number): TensorShape[] => [
    { name: `${name}.weight`, shape: [inputs, outputs] },
    { name: `${name}.bias`, shape: [outputs] },
  ];
  const layer = (h: string): TensorShape[] => [
    ...norm(`${h}.ln_1`),
    ...linear(`${h}.attn.c_attn`, C, 3 * C),
    ...linear(`${h}.attn.c_proj`, C, C),
    ...norm(`${h}.ln_2`),
    ...linear(`${h}.mlp.c_fc`, C, F),
    ...linear(`${h}.mlp.c_proj`, F, C),
  ];
  return [
    { name: 'wte.weight', shape: [V, C] },
    { name: 'wpe.weight', shape: [contextLength, C] },
    ...Array.from({ length: nLayer }, (_, i) => layer(`h.${i}`)).flat(),
    ...norm('ln_f'),
  ];
}

/** Causal masks that older transformers versions saved as if they were weights. */
const maskBuffer = /^h\.\d+\.attn\.(bias|masked_bias)$/;

/**
 * Finds the model's tensors among those of a file. Names may have the `transformer.` prefix or not; mask buffers and a
 * tied `lm_head.weight` are passed over (the latter stands in for wte.weight where only it was saved).
 * @param found  tensor name in the file → shape.
 * @param source names the file in errors.
 * @returns name without prefix → name in the file, for every tensor of `tensorTable(model)`.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing all missing, unknown, doubled and wrongly shaped tensors.
 */
export function resolveTensorNames(
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  model: ModelConfig,
  source = 'model.safetensors',
): Map<string, string> {
  const table = tensorTable(model);
  const expected = new Set(table.map(({ name }) => name));
  const resolved = new Map<string, string>();
  const unknown: string[] = [];
  const doubled: string[] = [];
  for (const fileName of found.keys()) {
    const name = fileName.startsWith(savedPrefix) ? fileName.slice(savedPrefix.length) : fileName;
    if (fileName === 'lm_head.weight' || maskBuffer.test(name)) continue;
    if (!expected.has(name)) unknown.push(fileName);
    else if (resolved.has(name)) doubled.push(fileName);
    else resolved.set(name, fileName);
  }
  if (!resolved.has('wte.weight') && found.has('lm_head.weight')) resolved.set('wte.weight', 'lm_head.weight');

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
