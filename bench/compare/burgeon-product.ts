// burgeon's side of products.ts: one product of the native kernels, in this process, checked before it is timed.

import { loadAddon, native } from '../../lib/addon/load.ts';
import type { ProductKind } from './product-shapes.ts';
import type { Precision } from './step-rows.ts';

export interface ProductOptions {
  /** Products to run back to back. Default 1. */
  repeats?: number;
  /** Below 1, the n rows are spread over n / rate rows of the weight, as a subnetwork's are. Default 1. */
  rate?: number;
}

/**
 * Milliseconds of one product, the mean of `repeats`; operands are made outside that time.
 * @param m tokens.
 * @param n active rows of the weight.
 * @param k its columns.
 */
export async function burgeonProduct(
  kind: ProductKind,
  m: number,
  n: number,
  k: number,
  precision: Precision,
  threads: number,
  { repeats = 1, rate = 1 }: ProductOptions = {},
): Promise<number> {
  const { ms } = await native(() =>
    loadAddon().binding.benchOp({
      // The rivals have no residual to add.
      op: kind === 'contract' ? 'input_gradient' : kind,
      backend: 'cpu',
      precision: precision === 'bf16' ? 'bf16' : 'float32',
      maxIsa: process.env.BURGEON_MAX_ISA ?? '',
      threads,
      rounds: repeats,
      cold: false,
      n: m,
      rows: Math.round(n / rate),
      activeRows: n,
      cols: k,
    }),
  );
  return ms.reduce((sum, value) => sum + value, 0) / ms.length;
}
