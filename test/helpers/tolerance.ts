// Every tolerance used in tests, with its reason.

/** Smallest step between floats around 1. */
export const epsilon32 = 2 ** -23;
export const epsilon64 = 2 ** -52;

/**
 * Double precision against an independent double-precision implementation. Sums of a few dozen terms in another order
 * differ by some epsilon; three layers and their backward pass amplify it by a few hundred.
 */
export const goldenDouble = 1e-12;

/**
 * fp32 kernels against the same in double: rounding of about sqrt(terms) epsilon per sum, through every layer twice.
 * Relative to the tensor's norm.
 */
export const goldenFloat = 5e-6;

/** Skipped against masked and rescaled dense, relative to the tensor's norm: same sums, other blocks. */
export const maskedFloat = 1e-6;
export const maskedDouble = 1e-12;

/** ||a - b|| / ||b||, and ||a|| where b is zero. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

/** ||a|| of a part of an array. */
export function norm(a: ArrayLike<number>, begin = 0, end = a.length): number {
  let sum = 0;
  for (let i = begin; i < end; i++) sum += a[i]! ** 2;
  return Math.sqrt(sum);
}
