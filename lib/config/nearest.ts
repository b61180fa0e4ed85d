// The nearest valid name to a mistyped one, for "did you mean ...?". Used for configuration keys, preset names and
// command-line options.

/**
 * Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and swaps of neighbours,
 * each 1. Two letters that differ only in case, or a missing separator (- or _), cost half.
 */
export function editDistance(a: string, b: string): number {
  // rows[i][j]: distance between the first i characters of a and the first j of b.
  const rows: number[][] = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) rows[i]![0] = rows[i - 1]![0]! + gapCost(a[i - 1]!);
  for (let j = 1; j <= b.length; j++) rows[0]![j] = rows[0]![j - 1]! + gapCost(b[j - 1]!);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const [x, y] = [a[i - 1]!, b[j - 1]!];
      let best = Math.min(
        rows[i - 1]![j]! + gapCost(x),
        rows[i]![j - 1]! + gapCost(y),
        rows[i - 1]![j - 1]! + substitutionCost(x, y),
      );
      if (i > 1 && j > 1 && x === b[j - 2] && y === a[i - 2]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}

/** Fewer letters begin too much. */
const leastPrefix = 4;

/**
 * The candidate nearest to `name`: a distance of at most a third of the longer length. Ties go to the earlier candidate. If none is
 * near, one that begins with `name`, else undefined.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let nearestDistance = Number.POSITIVE_INFINITY;
  const names = [...candidates];
  for (const candidate of names) {
    // Gaps alone would cost more than is near, and computing it takes the product of the lengths.
    if (name.length > 3 * candidate.length + 3) continue;
    const distance = editDistance(name, candidate);
    const limit = Math.max(1, Math.max(name.length, candidate.length) / 3);
    if (distance <= limit && distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  if (nearest !== undefined || name.length < leastPrefix) return nearest;
  return names.find((candidate) => candidate.toLowerCase().startsWith(name.toLowerCase()));
}

/** What a message about an unknown name ends with: "; did you mean heads?", or nothing if none is near. */
export function nearestHint(name: string, candidates: Iterable<string>): string {
  return hintOf(nearestName(name, candidates));
}

export function hintOf(meant: string | undefined): string {
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

function gapCost(character: string): number {
  return character === '-' || character === '_' ? 0.5 : 1;
}

function substitutionCost(x: string, y: string): number {
  if (x === y) return 0;
  return x.toLowerCase() === y.toLowerCase() ? 0.5 : 1;
}
