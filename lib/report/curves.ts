// Arithmetic of curves: smoothing, and reading off values between points. Pure; shared by the page and the comparison.

/**
 * Exponential moving average that starts without bias towards zero (Kingma and Ba, arXiv 1412.6980, section 3).
 * @param weight share of the past, in [0, 1).
 */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return mean / total;
  });
}

/**
 * The value of a curve at x, linear between its points.
 * @param xs ascending. @param ys as many; points with null are passed over.
 * @returns null outside the points.
 */
export function valueAt(xs: readonly (number | null)[], ys: readonly (number | null)[], x: number): number | null {
  let before: [number, number] | undefined;
  for (const [i, at] of xs.entries()) {
    const y = ys[i];
    if (at === null || y === null || y === undefined) continue;
    if (at === x) return y;
    if (at > x) return before === undefined ? null : before[1] + ((y - before[1]) * (x - before[0])) / (at - before[0]);
    before = [at, y];
  }
  return null;
}

/** The first x at which the curve is at or below y, linear between its points; null where it never is. */
export function firstBelow(xs: readonly (number | null)[], ys: readonly (number | null)[], y: number): number | null {
  let before: [number, number] | undefined;
  for (const [i, at] of xs.entries()) {
    const value = ys[i];
    if (at === null || value === null || value === undefined) continue;
    if (value <= y) {
      if (before === undefined) return at;
      return before[0] + ((at - before[0]) * (before[1] - y)) / (before[1] - value);
    }
    before = [at, value];
  }
  return null;
}
