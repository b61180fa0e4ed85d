// burgeon's side of products.ts: one product of the native kernels, in this process.

import type { ProductKind } from './product-shapes.ts';
import type { Precision } from './step-rows.ts';

export interface ProductOptions {
  /** Products to run back to back. Default 1. */
  repeats?: number;
  /** Below 1, the n rows are spread over n / rate rows of the weight, as a subnetwork's are. Default 1. */
  rate?: number;
}

/**
 * Milliseconds of one product, the mean of `repeats`; operands are made outside that time and kept for the next call of
 * the same shape.
 * @param m tokens.
 * @param n active rows of the weight.
 * @param k its columns.
 */
export async function burgeonProduct(
  _kind: ProductKind,
  _m: number,
  _n: number,
  _k: number,
  _precision: Precision,
  _threads: number,
  _options: ProductOptions = {},
): Promise<number> {
  throw new Error('not available yet');
}
