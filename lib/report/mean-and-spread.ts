// Mean and spread over the runs of a configuration, and when a difference is more than that. Pure.

export interface MeanAndSpread {
  mean: number;
  /** Standard deviation over the runs (n - 1); null of one run. */
  spread: number | null;
  /** Runs. */
  n: number;
}

/** A difference of two means, and what is to be expected of seeds alone. */
export interface Difference {
  /** Of the other less that of the baseline: a negative one is a lower loss. */
  difference: number;
  /** Root of the sum of both variances; null where a group has one run. */
  spread: number | null;
  /** Whether the difference is more than the spread; null where that is not known. */
  isBeyondSpread: boolean | null;
}

export function meanAndSpread(values: readonly number[]): MeanAndSpread {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, spread: n > 1 ? Math.sqrt(variance) : null, n };
}

export function differenceOf(baseline: MeanAndSpread, other: MeanAndSpread): Difference {
  const difference = other.mean - baseline.mean;
  const spread = baseline.spread === null || other.spread === null ? null : Math.hypot(baseline.spread, other.spread);
  return { difference, spread, isBeyondSpread: spread === null ? null : Math.abs(difference) > spread };
}
