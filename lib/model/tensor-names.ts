// The engine's tensors under Hugging Face's names and layouts. The engine keeps every sampled dimension first, so the
// two matrices whose outputs are sampled (qkvw, fcw) are stored transposed to Hugging Face's [in, out]; the other two
// are the same in both. Names carry no `transformer.` prefix here; lib/checkpoint adds it on disk.

import type { NativeTensor } from '../addon/binding.ts';

/** A tensor as callers see it. */
export interface TensorView {
  /** Hugging Face name, without `transformer.` prefix. */
  name: string;
  /** Hugging Face shape. */
  shape: number[];
  /** Position in the engine's list. */
  index: number;
  /** Whether the engine stores the transpose. */
  transposed: boolean;
}

/** How the engine stores what Hugging Face calls by this name. */
type Layout = 'same' | 'transposed' | 'vector';

const names: Readonly<Record<string, readonly [string, Layout]>> = {
  wte: ['wte.weight', 'same'],
  wpe: ['wpe.weight', 'same'],
  lnfw: ['ln_f.weight', 'vector'],
  lnfb: ['ln_f.bias', 'vector'],
  ln1w: ['ln_1.weight', 'vector'],
  ln1b: ['ln_1.bias', 'vector'],
  qkvw: ['attn.c_attn.weight', 'transposed'],
  qkvb: ['attn.c_attn.bias', 'vector'],
  attprojw: ['attn.c_proj.weight', 'same'],
  attprojb: ['attn.c_proj.bias', 'vector'],
  ln2w: ['ln_2.weight', 'vector'],
  ln2b: ['ln_2.bias', 'vector'],
  fcw: ['mlp.c_fc.weight', 'transposed'],
  fcb: ['mlp.c_fc.bias', 'vector'],
  fcprojw: ['mlp.c_proj.weight', 'same'],
  fcprojb: ['mlp.c_proj.bias', 'vector'],
};

export function viewTensors(tensors: readonly NativeTensor[]): TensorView[] {
  return tensors.map(({ name, layer, rows, cols }, index) => {
    const [hfName, layout] = names[name]!;
    return {
      name: layer < 0 ? hfName : `h.${layer}.${hfName}`,
      shape: layout === 'vector' ? [rows] : layout === 'transposed' ? [cols, rows] : [rows, cols],
      index,
      transposed: layout === 'transposed',
    };
  });
}

/** The transpose of a row-major (rows, cols) matrix, in blocks that stay in cache. */
export function transpose<Data extends Float32Array | Float64Array>(data: Data, rows: number, cols: number): Data {
  const result = new (data.constructor as new (length: number) => Data)(data.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block) {
    const r1 = Math.min(rows, r0 + block);
    for (let c0 = 0; c0 < cols; c0 += block) {
      const c1 = Math.min(cols, c0 + block);
      for (let r = r0; r < r1; r++) {
        for (let c = c0; c < c1; c++) result[c * rows + r] = data[r * cols + c]!;
      }
    }
  }
  return result;
}
