// Variables of the environment with which launchers tell a process its rank: read, and refused by name where they are missing, no
// number, or contradict each other. An empty one counts as not set.

import { BurgeonError } from '../errors.ts';
import { quote } from '../quote.ts';
import type { RankPlace } from './place.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export const textOf = (environment: Environment, name: string) => environment[name]?.trim() || undefined;

export const isSet = (environment: Environment, ...names: string[]) =>
  names.some((name) => textOf(environment, name) !== undefined);

/**
 * A whole number within bounds, undefined where the variable is not set.
 * @param because where the bounds come from.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG.
 */
export function integerOf(
  environment: Environment,
  name: string,
  low: number,
  high: number,
  because = '',
): number | undefined {
  const text = textOf(environment, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `${name}: expected an integer from ${low} to ${high}${because}, received ${quote(text)}`,
  );
}

/** Most ranks of a job: far more than anything that trains. */
export const mostRanks = 65_536;

/** The variables that a launcher tells the four numbers by. */
export interface NumberNames {
  rank: string;
  size: string;
  localRank: string;
  localSize: string;
}

export type RankNumbers = Pick<RankPlace, 'rank' | 'size' | 'localRank' | 'localSize'>;

/**
 * The four numbers, undefined where there is one rank only.
 * @param local what is not told by variables of its own.
 * @param remedy what sets the variables that are missing.
 */
export function readNumbers(
  environment: Environment,
  names: NumberNames,
  remedy: string,
  local: { localRank?: number | undefined; localSize?: number | undefined } = {},
): RankNumbers | undefined {
  const present = Object.values(names).filter((name) => isSet(environment, name));
  const required = (name: string, low: number, high: number, bound?: string) => {
    const value = integerOf(environment, name, low, high, bound && ` (${listed(environment, [bound])})`);
    if (value !== undefined) return value;
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${name}: expected an integer from ${low} to ${high} besides ${listed(environment, present)}, received nothing; ${remedy}`,
    );
  };
  const size = required(names.size, 1, mostRanks);
  const rank = required(names.rank, 0, size - 1, names.size);
  if (size === 1) return undefined;
  const localSize = local.localSize ?? required(names.localSize, 1, size, names.size);
  const localRank = local.localRank ?? required(names.localRank, 0, localSize - 1, names.localSize);
  // All on this host: they are numbered alike.
  if (localSize === size && localRank !== rank) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${names.localRank}: expected ${rank} as ${names.rank} has it, since all ${size} ranks are on this host (${names.localSize}), received ${localRank}; ${remedy}`,
    );
  }
  return { rank, size, localRank, localSize };
}

/** `RANK="1", WORLD_SIZE="4"`. */
export function listed(environment: Environment, names: readonly string[]): string {
  return names.map((name) => `${name}=${quote(textOf(environment, name))}`).join(', ');
}
