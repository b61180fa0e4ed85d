// The tensors of every architecture: one table, from which names, shapes, layouts, units, initial values and parameter counts
// follow. The engine lists the same tensors under its own names in native/model/parameters.cc; it keeps queries, keys and
// values of a layer in one matrix, of which Hugging Face may name the parts. Pure.

import { architectureOf } from './architecture.ts';
import type { ModelConfig } from './model-config.ts';

/** What the rows of a tensor are in the engine, where what can be left out comes first. */
export type TensorRows = 'vocabulary' | 'positions' | 'width' | 'qkv' | 'queries' | 'keys' | 'values' | 'neurons';

/** What it belongs to, for counting. */
export type TensorPart = 'tokenEmbedding' | 'positionEmbedding' | 'attention' | 'mlp' | 'norms' | 'head';

interface TensorKind {
  /** The engine's name. */
  engine: string;
  /** Hugging Face's: within its layer, if it belongs to one, and without `transformer.` or `model.`. */
  name: string;
  part: TensorPart;
  rows: TensorRows;
  /** A matrix has `nEmbd` columns in the engine. Hugging Face stores it so, or transposed, [in, out] or [out, in]. */
  stored: 'matrix' | 'transposed' | 'vector';
  /** `residual`: a matrix that adds to the residual stream. `gain`: a factor. The others are what they are called. */
  role: 'matrix' | 'residual' | 'gain' | 'bias';
  /** Left out where the architecture does not have it. */
  needs?: 'qkvBias' | 'attentionOutputBias' | 'mlpBias';
}

interface TensorTable {
  before: TensorKind[];
  /** Stands before the number of a layer in a name. */
  layers: string;
  layer: TensorKind[];
  after: TensorKind[];
}

/** One tensor of a model, as Hugging Face names it. */
export interface ModelTensor extends TensorKind {
  /** The full name, without prefix. */
  name: string;
  /** -1 outside the layers. */
  layer: number;
  /** The name of the same tensor in another layer. */
  in(layer: number): string;
  /** Hugging Face's. */
  shape: readonly number[];
  /** Its rows among those of the engine's tensor. */
  firstRow: number;
  rowCount: number;
}

/** Every parameter once, in the order of transformers. A tied output head is the token embedding. */
export function listTensors(model: ModelConfig): ModelTensor[] {
  const table = tables[model.architecture];
  const facts = architectureOf(model);
  const { nHead, nEmbd, nInner, contextLength, vocabSize } = model;
  const [queries, keys] = [nHead * facts.headSize, facts.nKvHead * facts.headSize];
  const rowCounts: Record<TensorRows, number> = {
    ...{ vocabulary: vocabSize, positions: contextLength, width: nEmbd, neurons: nInner },
    ...{ qkv: queries + 2 * keys, queries, keys, values: keys },
  };
  const exists = ({ needs, part }: TensorKind) =>
    (needs === undefined || facts[needs]) && (part !== 'head' || !facts.tiedHead);
  const list = (kinds: readonly TensorKind[], layer: number): ModelTensor[] => {
    const used = new Map<string, number>();
    return kinds.filter(exists).map((kind) => {
      const nameIn = (other: number) => (other < 0 ? kind.name : `${table.layers}.${other}.${kind.name}`);
      const rowCount = rowCounts[kind.rows];
      const firstRow = used.get(kind.engine) ?? 0;
      used.set(kind.engine, firstRow + rowCount);
      const shapes = { vector: [rowCount], matrix: [rowCount, nEmbd], transposed: [nEmbd, rowCount] };
      return { ...kind, name: nameIn(layer), layer, in: nameIn, shape: shapes[kind.stored], firstRow, rowCount };
    });
  };
  const layers = Array.from({ length: model.nLayer }, (_, layer) => list(table.layer, layer));
  return [...list(table.before, -1), ...layers.flat(), ...list(table.after, -1)];
}

/** What the rows of a tensor that ends a branch add up: units, or for all of them together a bias. */
export function branchEnd({ part, rows, role }: ModelTensor): 'heads' | 'neurons' | 'bias' | undefined {
  if (role === 'residual') return rows === 'neurons' ? 'neurons' : 'heads';
  return role === 'bias' && rows === 'width' && part !== 'norms' ? 'bias' : undefined;
}

const matrix = (engine: string, name: string, part: TensorPart, rows: TensorRows): TensorKind => ({
  ...{ engine, name, part, rows, stored: 'matrix', role: 'matrix' },
});
const norm = (engine: string, name: string, role: 'gain' | 'bias'): TensorKind => ({
  ...{ engine, name, part: 'norms', rows: 'width', stored: 'vector', role },
});
const bias = (
  engine: string,
  name: string,
  part: TensorPart,
  rows: TensorRows,
  needs: NonNullable<TensorKind['needs']>,
): TensorKind => ({ ...{ engine, name, part, rows, stored: 'vector', role: 'bias', needs } });

const transposed = (kind: TensorKind): TensorKind => ({ ...kind, stored: 'transposed' });
const residual = (kind: TensorKind): TensorKind => ({ ...kind, role: 'residual' });

// Linear stores [out, in].
const llama: TensorTable = {
  before: [matrix('wte', 'embed_tokens.weight', 'tokenEmbedding', 'vocabulary')],
  layers: 'layers',
  layer: [
    norm('ln1w', 'input_layernorm.weight', 'gain'),
    matrix('qkvw', 'self_attn.q_proj.weight', 'attention', 'queries'),
    bias('qkvb', 'self_attn.q_proj.bias', 'attention', 'queries', 'qkvBias'),
    matrix('qkvw', 'self_attn.k_proj.weight', 'attention', 'keys'),
    bias('qkvb', 'self_attn.k_proj.bias', 'attention', 'keys', 'qkvBias'),
    matrix('qkvw', 'self_attn.v_proj.weight', 'attention', 'values'),
    bias('qkvb', 'self_attn.v_proj.bias', 'attention', 'values', 'qkvBias'),
    residual(transposed(matrix('attprojw', 'self_attn.o_proj.weight', 'attention', 'queries'))),
    bias('attprojb', 'self_attn.o_proj.bias', 'attention', 'width', 'attentionOutputBias'),
    norm('ln2w', 'post_attention_layernorm.weight', 'gain'),
    matrix('gatew', 'mlp.gate_proj.weight', 'mlp', 'neurons'),
    bias('gateb', 'mlp.gate_proj.bias', 'mlp', 'neurons', 'mlpBias'),
    matrix('fcw', 'mlp.up_proj.weight', 'mlp', 'neurons'),
    bias('fcb', 'mlp.up_proj.bias', 'mlp', 'neurons', 'mlpBias'),
    residual(transposed(matrix('fcprojw', 'mlp.down_proj.weight', 'mlp', 'neurons'))),
    bias('fcprojb', 'mlp.down_proj.bias', 'mlp', 'width', 'mlpBias'),
  ],
  after: [norm('lnfw', 'norm.weight', 'gain'), matrix('headw', 'lm_head.weight', 'head', 'vocabulary')],
};

const tables: Readonly<Record<ModelConfig['architecture'], TensorTable>> = {
  // Conv1D stores [in, out].
  gpt2: {
    before: [
      matrix('wte', 'wte.weight', 'tokenEmbedding', 'vocabulary'),
      matrix('wpe', 'wpe.weight', 'positionEmbedding', 'positions'),
    ],
    layers: 'h',
    layer: [
      norm('ln1w', 'ln_1.weight', 'gain'),
      norm('ln1b', 'ln_1.bias', 'bias'),
      transposed(matrix('qkvw', 'attn.c_attn.weight', 'attention', 'qkv')),
      bias('qkvb', 'attn.c_attn.bias', 'attention', 'qkv', 'qkvBias'),
      residual(matrix('attprojw', 'attn.c_proj.weight', 'attention', 'queries')),
      bias('attprojb', 'attn.c_proj.bias', 'attention', 'width', 'attentionOutputBias'),
      norm('ln2w', 'ln_2.weight', 'gain'),
      norm('ln2b', 'ln_2.bias', 'bias'),
      transposed(matrix('fcw', 'mlp.c_fc.weight', 'mlp', 'neurons')),
      bias('fcb', 'mlp.c_fc.bias', 'mlp', 'neurons', 'mlpBias'),
      residual(matrix('fcprojw', 'mlp.c_proj.weight', 'mlp', 'neurons')),
      bias('fcprojb', 'mlp.c_proj.bias', 'mlp', 'width', 'mlpBias'),
    ],
    after: [norm('lnfw', 'ln_f.weight', 'gain'), norm('lnfb', 'ln_f.bias', 'bias')],
  },
  llama,
  qwen2: llama,
};
