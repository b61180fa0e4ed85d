// Which axis of which tensor belongs to the heads and neurons of a layer, in Hugging Face's layouts. Pure.

import type { ModelConfig } from '../config/model-config.ts';

/** Units of a layer that can be left out: query heads, key and value heads, MLP neurons. */
export type Unit = 'queries' | 'keys' | 'neurons';

export interface UnitAxis {
  unit: Unit;
  /** Of a matrix; a bias is a column. */
  axis: 'rows' | 'columns';
  /** Whether the units are added up by this tensor: their sum is scaled by (all / active). */
  isOutput?: true;
}

/** Name within a layer → its axis of units; all other tensors have none. */
const axes: Readonly<Record<ModelConfig['architecture'], Readonly<Record<string, UnitAxis>>>> = {
  // The heads of GPT-2 are left out of this table: transformers derives their width from their number.
  gpt2: {
    'mlp.c_fc.weight': { unit: 'neurons', axis: 'columns' },
    'mlp.c_fc.bias': { unit: 'neurons', axis: 'rows' },
    'mlp.c_proj.weight': { unit: 'neurons', axis: 'rows', isOutput: true },
  },
  llama: {
    'self_attn.q_proj.weight': { unit: 'queries', axis: 'rows' },
    'self_attn.q_proj.bias': { unit: 'queries', axis: 'rows' },
    'self_attn.k_proj.weight': { unit: 'keys', axis: 'rows' },
    'self_attn.k_proj.bias': { unit: 'keys', axis: 'rows' },
    'self_attn.v_proj.weight': { unit: 'keys', axis: 'rows' },
    'self_attn.v_proj.bias': { unit: 'keys', axis: 'rows' },
    'self_attn.o_proj.weight': { unit: 'queries', axis: 'columns', isOutput: true },
    'mlp.gate_proj.weight': { unit: 'neurons', axis: 'rows' },
    'mlp.gate_proj.bias': { unit: 'neurons', axis: 'rows' },
    'mlp.up_proj.weight': { unit: 'neurons', axis: 'rows' },
    'mlp.up_proj.bias': { unit: 'neurons', axis: 'rows' },
    'mlp.down_proj.weight': { unit: 'neurons', axis: 'columns', isOutput: true },
  },
};

/** Names of the tensors that end a branch, and what they add up: units, or for all of them together a bias. */
const branchEnds: Readonly<Record<string, 'heads' | 'neurons' | 'bias'>> = {
  'attn.c_proj.weight': 'heads',
  'attn.c_proj.bias': 'bias',
  'mlp.c_proj.weight': 'neurons',
  'mlp.c_proj.bias': 'bias',
  'self_attn.o_proj.weight': 'heads',
  'self_attn.o_proj.bias': 'bias',
  'mlp.down_proj.weight': 'neurons',
  'mlp.down_proj.bias': 'bias',
};

const layerName = /^(h|layers)\.(\d+)\.(.+)$/;

/** The layer of a tensor and its axis of units; undefined for one that belongs to no layer. */
export function layerTensor({ architecture }: ModelConfig, name: string) {
  const match = layerName.exec(name);
  if (match === null) return undefined;
  const [, prefix, layer, rest] = match as unknown as [string, string, string, string];
  return {
    layer: Number(layer),
    in: (other: number) => `${prefix}.${other}.${rest}`,
    axis: axes[architecture][rest],
    endsBranch: branchEnds[rest],
  };
}
