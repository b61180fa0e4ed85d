// The matrix products of the compared training steps. A weight is (rows, columns) with a head or neuron per row, as
// burgeon keeps it, so all products are of three kinds: expand, y (tokens, rows) = x w^T; contract, y (tokens, columns) =
// x w; weight_gradient, w (rows, columns) += p^T q. Half rate is half of the rows.

import type { Precision } from './step-rows.ts';

export const productKinds = ['expand', 'contract', 'weight_gradient'] as const;
export type ProductKind = (typeof productKinds)[number];

export interface ProductShape {
  matrix: string;
  kind: ProductKind;
  tokens: number;
  /** Active ones. */
  rows: number;
  columns: number;
  rate: number;
}

/** What a contender is asked to prepare. */
export interface Product extends ProductShape {
  precision: Precision;
  threads: number;
}

const tokenCounts = [256, 1024, 2048, 4096];
const widths = [384, 768];
/** Rows per column. fc and fcproj are the same shape: one's forward is the other's input gradient. */
const matrices = { qkv: 3, attproj: 1, 'fc, fcproj': 4 };

export const productShapes: readonly ProductShape[] = widths.flatMap((columns) => [
  ...tokenCounts.flatMap((tokens) =>
    Object.entries(matrices).flatMap(([matrix, factor]) =>
      [1, 0.5].flatMap((rate) =>
        productKinds.map((kind) => ({ matrix, kind, tokens, rows: factor * columns * rate, columns, rate })),
      ),
    ),
  ),
  ...productKinds.map((kind) => ({ matrix: 'head', kind, tokens: 1024, rows: 50304, columns, rate: 1 })),
]);

export function flopsOf({ tokens, rows, columns }: ProductShape): number {
  return 2 * tokens * rows * columns;
}
