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

/** A smoothed curve lags behind by a hundredth of the run, not more. */
const pointsPerLag = 100;

/** The weight that suits a curve of so many points: 0.9 for a thousand, none for a hundred, which it would draw too high. */
export function smoothingFor(points: number): number {
  const weight = points > pointsPerLag ? 1 - pointsPerLag / points : 0;
  return Math.min(0.98, Math.round(100 * weight) / 100);
}

/** Share of the past in each value of a curve; auto: what suits its number of points. */
export type Smoothing = number | 'auto';

export function weightOf(smoothing: Smoothing, points: number): number {
  return smoothing === 'auto' ? smoothingFor(points) : smoothing;
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

export interface Points {
  x: readonly (number | null)[];
  y: readonly (number | null)[];
}

/** Where curves lie together. */
export interface MeanAndRange {
  x: number[];
  mean: number[];
  /** Lowest and highest of the curves. */
  low: number[];
  high: number[];
}

/**
 * Mean and range of several curves, linear between their points: at the places of the first, as far as all of them reach.
 * @param curves at least one, x ascending.
 */
export function meanAndRange(curves: readonly Points[]): MeanAndRange {
  const known = curves.map(wholePoints);
  const ends = known.map((points) => points.at(-1)?.[0] ?? -Infinity);
  const begin = Math.max(...known.map((points) => points[0]?.[0] ?? Infinity));
  const end = Math.min(...ends);
  const places = known[0]!.map(([x]) => x).filter((x) => x >= begin && x <= end);
  // Some end earlier than the first: the last place that all reach.
  if (places.length > 0 && places.at(-1)! < end) places.push(end);
  const values = known.map((points) => readOff(points, places));
  const at = (pick: (all: number[]) => number) => places.map((_, i) => pick(values.map((curve) => curve[i]!)));
  return {
    x: places,
    mean: at((all) => all.reduce((sum, value) => sum + value, 0) / all.length),
    low: at((all) => Math.min(...all)),
    high: at((all) => Math.max(...all)),
  };
}

function wholePoints({ x, y }: Points): [number, number][] {
  return x.flatMap((at, i): [number, number][] => {
    const value = y[i];
    return at === null || value === null || value === undefined ? [] : [[at, value]];
  });
}

/** As `valueAt` for ascending places within the curve, in one pass. */
function readOff(points: readonly [number, number][], places: readonly number[]): number[] {
  let after = 0;
  return places.map((x) => {
    while (after < points.length - 1 && points[after]![0] < x) after++;
    const [x1, y1] = points[after]!;
    if (after === 0 || x1 === x) return y1;
    const [x0, y0] = points[after - 1]!;
    return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
  });
}
