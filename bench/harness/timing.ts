// Timing of alternatives in turn: A B C A B C ..., so that a machine whose speed drifts slows all of them alike.

export interface Timing {
  /** Milliseconds. */
  median: number;
  min: number;
  max: number;
}

export interface Paired extends Timing {
  /** Against the first alternative, round by round: median, and the quartiles as spread. */
  ratio: number;
  ratioQuartiles: [number, number];
}

/** Runs every alternative once to warm up and then `rounds` times in turn; each returns its own milliseconds. */
export async function timeInTurn(alternatives: readonly (() => Promise<number>)[], rounds: number): Promise<Paired[]> {
  const samples = alternatives.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, run] of alternatives.entries()) {
      const ms = await run();
      if (round >= 0) samples[i]!.push(ms);
    }
  }
  return samples.map((times) => {
    const ratios = times.map((ms, round) => ms / samples[0]![round]!);
    return {
      median: quantile(times, 0.5),
      min: Math.min(...times),
      max: Math.max(...times),
      ratio: quantile(ratios, 0.5),
      ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    };
  });
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  return sorted[below]! + (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)]! - sorted[below]!);
}
