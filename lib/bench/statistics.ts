// Medians and quartiles of samples, and timing of alternatives in turn. Pure but for the clock of what is timed.

/** Median with the quartiles as spread, in the unit of the samples. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** The value below which this share of the values lies, interpolated; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = Math.max(0, Math.floor(place));
  const lower = sorted[below] ?? Number.NaN;
  return lower + (place - below) * ((sorted[below + 1] ?? lower) - lower);
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}

/** Of `samples` against `base`, which took turns: the spread of the ratios of each round. */
export function pairedRatio(samples: readonly number[], base: readonly number[]): Spread {
  return spreadOf(samples.map((value, round) => value / base[round]!));
}

/** Of two measurements that did not take turns: the ratio of the medians, and the quartiles of all ratios. */
export function unpairedRatio(samples: readonly number[], base: readonly number[]): Spread {
  const ratios = samples.flatMap((value) => base.map((other) => value / other));
  return { ...spreadOf(ratios), median: quantile(samples, 0.5) / quantile(base, 0.5) };
}

/** Time saved over work saved: 1 where skipped work costs nothing; null where nothing was to be skipped. */
export function skipEfficiency(timeRatio: number, workRatio: number): number | null {
  return workRatio >= 1 ? null : (1 - timeRatio) / (1 - workRatio);
}

/**
 * Runs every alternative `rounds` times in turn, A B C A B C ..., so that a machine whose speed drifts slows all of them
 * alike. Each returns its own milliseconds.
 * @param onRound is told the number of rounds done before each; false ends it.
 * @returns samples of each alternative, or undefined when `onRound` ended it.
 */
export async function timeInTurn(
  alternatives: readonly (() => Promise<number>)[],
  rounds: number,
  onRound: (done: number) => boolean = () => true,
): Promise<number[][] | undefined> {
  const samples = alternatives.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    if (!onRound(round)) return undefined;
    for (const [i, run] of alternatives.entries()) samples[i]!.push(await run());
  }
  return samples;
}
