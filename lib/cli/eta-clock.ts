// How long a run still takes: by the FLOPs that are planned for its stages, and what this process did per second so far.

import { flopsUpTo, type SchedulePlan } from '../est/plan.ts';
import { remainingMs } from '../sweep/progress.ts';

export class EtaClock {
  readonly #plan: SchedulePlan;
  readonly #now: () => number;
  /** Steps done when the clock was made, and when the first of this process, which is slow, was over. */
  readonly #firstStep: number;
  #start: number | undefined;

  constructor(plan: SchedulePlan, firstStep: number, now: () => number = () => performance.now()) {
    this.#plan = plan;
    this.#firstStep = firstStep;
    this.#now = now;
  }

  /** After every step. */
  stepDone(): void {
    this.#start ??= this.#now();
  }

  /** Waits for what is not training. */
  async without(wait: () => Promise<void>): Promise<void> {
    const before = this.#now();
    await wait();
    if (this.#start !== undefined) this.#start += this.#now() - before;
  }

  /** null before the second step of this process. */
  remainingMs(step: number): number | null {
    if (this.#start === undefined || step <= this.#firstStep + 1) return null;
    const done = flopsUpTo(this.#plan, step);
    const counted = done - flopsUpTo(this.#plan, this.#firstStep + 1);
    return remainingMs(this.#plan.allFlops - done, counted, this.#now() - this.#start);
  }
}
