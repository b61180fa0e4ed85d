// How much of a sweep is done and how long the rest takes, by planned FLOPs: runs may differ in size. Pure.

/**
 * Time to the end.
 * @param left FLOPs still to be done, and `done` those of the last `elapsedMs` milliseconds.
 * @returns null before anything was done.
 */
export function remainingMs(left: number, done: number, elapsedMs: number): number | null {
  return done > 0 ? (elapsedMs * left) / done : null;
}
