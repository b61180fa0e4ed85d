// Muon written from its formula (Jordan et al., 2024; scaled as in arXiv 2502.16982), in float64 and plain loops, on the tensors
// as Hugging Face names them: shares nothing with the engine.

import { architectureOf } from '../../lib/config/architecture.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import type { ModelTensor } from '../../lib/config/tensors.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';

export type Matrix = number[][];

function product(a: Matrix, b: Matrix): Matrix {
  return a.map((row) => {
    const sums = new Float64Array(b[0]!.length);
    for (const [k, value] of row.entries()) {
      const from = b[k]!;
      for (let j = 0; j < sums.length; j++) sums[j]! += value * from[j]!;
    }
    return Array.from(sums);
  });
}

const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));

/** aX + bAX + cAAX five times, A = X X^T, from X of norm 1. */
export function newtonSchulz(matrix: Matrix): Matrix {
  const norm = Math.sqrt(matrix.flat().reduce((sum, value) => sum + value * value, 0));
  let x = matrix.map((row) => row.map((value) => value / norm));
  for (let i = 0; i < 5; i++) {
    const ax = product(product(x, transposed(x)), x);
    const aax = product(product(x, transposed(x)), ax);
    x = x.map((row, r) => row.map((value, c) => 3.4445 * value - 4.775 * ax[r]![c]! + 2.0315 * aax[r]![c]!));
  }
  return x;
}

/** Rows of the engine's matrix, `nEmbd` columns each. */
export function rowsOf(tensor: ModelTensor, data: ArrayLike<number>): Matrix {
  const [rows, cols] = [tensor.rowCount, data.length / tensor.rowCount];
  const at =
    tensor.stored === 'transposed' ? (r: number, c: number) => c * rows + r : (r: number, c: number) => r * cols + c;
  return Array.from({ length: rows }, (_, r) => Array.from({ length: cols }, (__, c) => data[at(r, c)]!));
}

/** The matrices that a tensor is, each as its active rows, none where its layer is not; a subnetwork that is undefined is all. */
export function activeParts(model: ModelConfig, tensor: ModelTensor, subnetwork: Subnetwork | undefined): number[][] {
  const { headSize, nKvHead } = architectureOf(model);
  const shared = model.nHead / nKvHead;
  const [queries, keys] = [model.nHead * headSize, nKvHead * headSize];
  const all = Array.from({ length: tensor.rowCount }, (_, row) => row);
  const i = subnetwork?.layers ? subnetwork.layers.indexOf(tensor.layer) : tensor.layer;
  if (i < 0) return [];
  const has = (list: Int32Array | undefined, unit: number) => list === undefined || list.includes(unit);
  const heads = subnetwork?.heads?.[i];
  const ofHead = (rows: number[], first: number, size: number) =>
    rows.filter((row) => has(heads, Math.floor((row - first) / size)));
  switch (tensor.rows) {
    case 'neurons':
      return [all.filter((row) => has(subnetwork?.neurons?.[i], row))];
    case 'queries':
      return [ofHead(all, 0, headSize * shared)];
    case 'keys':
    case 'values':
      return [ofHead(all, 0, headSize)];
    default:
      return [
        ofHead(all.slice(0, queries), 0, headSize * shared),
        ofHead(all.slice(queries, queries + keys), queries, headSize),
        ofHead(all.slice(queries + keys), queries + keys, headSize),
      ];
  }
}

export interface MuonState {
  w: Matrix;
  g: Matrix;
  m: Matrix;
}

export interface MuonOptions {
  lr: number;
  momentum: number;
  weightDecay: number;
  /** The clip factor. */
  scale: number;
  cautiousWeightDecay?: boolean | undefined;
}

/** Weight and momentum after an update of these rows. */
export function muonUpdate({ w, g, m }: MuonState, rows: number[], options: MuonOptions): Pick<MuonState, 'w' | 'm'> {
  const { lr, momentum, weightDecay, scale, cautiousWeightDecay = false } = options;
  const moved = m.map((row, r) =>
    rows.includes(r) ? row.map((value, c) => momentum * value + (1 - momentum) * scale * g[r]![c]!) : row,
  );
  const nesterov = rows.map((r) => moved[r]!.map((value, c) => momentum * value + (1 - momentum) * scale * g[r]![c]!));
  const direction = newtonSchulz(nesterov);
  const rate = lr * 0.2 * Math.sqrt(Math.max(rows.length, w[0]!.length));
  const updated = w.map((row, r) =>
    rows.includes(r)
      ? row.map((value, c) => {
          const update = direction[rows.indexOf(r)]![c]!;
          const decay = cautiousWeightDecay && update * value < 0 ? 0 : weightDecay;
          return value * (1 - lr * decay) - rate * update;
        })
      : row,
  );
  return { w: updated, m: moved };
}
