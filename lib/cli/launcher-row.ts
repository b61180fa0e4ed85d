// What doctor says of the launcher that started it, if any: which rank this process is, why that cannot be told, or that one was
// forgotten.

import { BurgeonError } from '../errors.ts';
import { detectRank, forgottenLauncher } from '../ranks/environment.ts';
import { describeRank, type RankPlace } from '../ranks/place.ts';

export interface LauncherFacts {
  /** null: this process is alone. */
  rank: RankPlace | null;
  /** Why this process should not be alone; null where nothing says so. */
  forgotten: string | null;
  /** Why no rank can be told: training is refused for it. */
  problem: string | null;
}

export function examineLauncher(): LauncherFacts {
  const facts: LauncherFacts = { rank: null, forgotten: null, problem: null };
  try {
    facts.rank = detectRank() ?? null;
    facts.forgotten = forgottenLauncher() ?? null;
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    facts.problem = error.message;
  }
  return facts;
}

export function launcherText({ rank, forgotten, problem }: LauncherFacts): string {
  if (problem !== null) return 'unclear';
  if (rank === null) return forgotten ?? 'none: this process is alone';
  const { localRank, localSize, address, port } = rank;
  return `${describeRank(rank)}; ${localRank} of ${localSize} on this host; rank 0 at ${address}, port ${port}`;
}
