// The engine's tensors under Hugging Face's names and layouts. The engine keeps every sampled dimension first and the
// queries, keys and values of a layer in one matrix; Hugging Face stores some matrices transposed, and Llama's
// projections apart. Names carry no `transformer.` or `model.` prefix here; lib/checkpoint adds it on disk.

import type { NativeTensor } from '../addon/binding.ts';
import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** A tensor as callers see it: some rows of one of the engine's. */
export interface TensorView {
  /** Hugging Face name, without prefix. */
  name: string;
  /** Hugging Face shape. */
  shape: number[];
  /** Position in the engine's list. */
  index: number;
  /** The rows of the engine's tensor. */
  firstRow: number;
  rows: number;
  /** Whether the engine stores the transpose. */
  transposed: boolean;
}

/** Names to show to someone who gave another. */
export const exampleNames: Readonly<Record<ModelConfig['architecture'], string>> = {
  gpt2: 'wte.weight or h.0.attn.c_attn.weight',
  llama: 'embed_tokens.weight or layers.0.self_attn.q_proj.weight',
};

/** How the engine stores what Hugging Face calls by this name. */
type Layout = 'same' | 'transposed' | 'vector';

/** Hugging Face's name of some rows of a tensor; all of them where `rows` is absent. */
type Part = readonly [name: string, layout: Layout, rows?: { first: number; count: number }];

export function viewTensors(model: ModelConfig, tensors: readonly NativeTensor[]): TensorView[] {
  const parts = model.architecture === 'gpt2' ? gpt2Parts : llamaParts(model);
  const layers = model.architecture === 'gpt2' ? 'h' : 'layers';
  return tensors.flatMap(({ name, layer, rows, cols }, index) =>
    parts[name]!.map(([hfName, layout, { first, count } = { first: 0, count: rows }]) => ({
      name: layer < 0 ? hfName : `${layers}.${layer}.${hfName}`,
      shape: layout === 'vector' ? [count] : layout === 'transposed' ? [cols, count] : [count, cols],
      index,
      firstRow: first,
      rows: count,
      transposed: layout === 'transposed',
    })),
  );
}

/** Conv1D stores [in, out]. */
const gpt2Parts: Readonly<Record<string, readonly Part[]>> = {
  wte: [['wte.weight', 'same']],
  wpe: [['wpe.weight', 'same']],
  lnfw: [['ln_f.weight', 'vector']],
  lnfb: [['ln_f.bias', 'vector']],
  ln1w: [['ln_1.weight', 'vector']],
  ln1b: [['ln_1.bias', 'vector']],
  qkvw: [['attn.c_attn.weight', 'transposed']],
  qkvb: [['attn.c_attn.bias', 'vector']],
  attprojw: [['attn.c_proj.weight', 'same']],
  attprojb: [['attn.c_proj.bias', 'vector']],
  ln2w: [['ln_2.weight', 'vector']],
  ln2b: [['ln_2.bias', 'vector']],
  fcw: [['mlp.c_fc.weight', 'transposed']],
  fcb: [['mlp.c_fc.bias', 'vector']],
  fcprojw: [['mlp.c_proj.weight', 'same']],
  fcprojb: [['mlp.c_proj.bias', 'vector']],
};

/** Linear stores [out, in]. */
function llamaParts(model: ModelConfig): Readonly<Record<string, readonly Part[]>> {
  const { headSize, nKvHead } = architectureOf(model);
  const queries = model.nHead * headSize;
  const keys = nKvHead * headSize;
  const qkv = (kind: string, layout: Layout): Part[] => [
    [`self_attn.q_proj.${kind}`, layout, { first: 0, count: queries }],
    [`self_attn.k_proj.${kind}`, layout, { first: queries, count: keys }],
    [`self_attn.v_proj.${kind}`, layout, { first: queries + keys, count: keys }],
  ];
  return {
    wte: [['embed_tokens.weight', 'same']],
    lnfw: [['norm.weight', 'vector']],
    headw: [['lm_head.weight', 'same']],
    ln1w: [['input_layernorm.weight', 'vector']],
    qkvw: qkv('weight', 'same'),
    qkvb: qkv('bias', 'vector'),
    attprojw: [['self_attn.o_proj.weight', 'transposed']],
    attprojb: [['self_attn.o_proj.bias', 'vector']],
    ln2w: [['post_attention_layernorm.weight', 'vector']],
    gatew: [['mlp.gate_proj.weight', 'same']],
    gateb: [['mlp.gate_proj.bias', 'vector']],
    fcw: [['mlp.up_proj.weight', 'same']],
    fcb: [['mlp.up_proj.bias', 'vector']],
    fcprojw: [['mlp.down_proj.weight', 'transposed']],
    fcprojb: [['mlp.down_proj.bias', 'vector']],
  };
}
