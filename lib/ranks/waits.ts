// How long ranks wait for each other, where the environment says so.

import process from 'node:process';
import { type Environment, integerOf } from './variables.ts';

const day = 86_400;

/**
 * Seconds after which a rank is given up that says nothing, and seconds that ranks wait for each other in the beginning.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for variables that are no such numbers.
 */
export function rankWaits(environment: Environment = process.env): { silenceSeconds: number; meetSeconds: number } {
  return {
    // Ranks say something every second.
    silenceSeconds: integerOf(environment, 'BURGEON_RANK_SILENCE', 3, day) ?? 15,
    meetSeconds: integerOf(environment, 'BURGEON_RANK_WAIT', 1, day) ?? 60,
  };
}

/** So long the others may take to end by themselves once a rank has failed, or rank 0 has ended: they notice, and save. */
export const graceMs = (environment?: Environment) => 2000 * rankWaits(environment).silenceSeconds;
