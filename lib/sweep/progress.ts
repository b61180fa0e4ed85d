// How much of a sweep is done and how long the rest takes, by planned FLOPs: runs may differ in size. Pure.

import type { SchedulePlan } from '../est/plan.ts';

/** All FLOPs of the first `step` steps; exact but within a ramp of rates. */
export function flopsUpTo({ stages }: SchedulePlan, step: number): number {
  return stages.reduce((sum, { allFlops, startStep, steps }) => {
    const share = Math.min(1, Math.max(0, (step - startStep) / steps));
    return sum + share * allFlops;
  }, 0);
}

/**
 * Time to the end.
 * @param left FLOPs still to be done, and `done` those of the last `elapsedMs` milliseconds.
 * @returns null before anything was done.
 */
export function remainingMs(left: number, done: number, elapsedMs: number): number | null {
  return done > 0 ? (elapsedMs * left) / done : null;
}
