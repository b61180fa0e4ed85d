// What can be asked of a run from outside while it trains: to pause, to write a checkpoint, to stop. The loop that reads the
// trainer's records calls `betweenSteps` after each, where all of it happens.

import type { Trainer } from './trainer.ts';

export class RunControl {
  readonly #stop = new AbortController();
  #wantsPause = false;
  #isWaiting = false;
  /** Those who asked for a checkpoint. */
  #waiting: { resolve: (directory: string | undefined) => void; reject: (error: unknown) => void }[] = [];
  #wake: () => void = () => {};

  /** For `TrainerOptions.signal`. */
  readonly signal: AbortSignal;

  /** @param signal stops the run as `stop` does: Ctrl-C. */
  constructor(signal?: AbortSignal) {
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    this.signal.addEventListener('abort', () => this.#wake());
  }

  /** pausing: a step is still running. */
  get state(): 'running' | 'pausing' | 'paused' | 'stopping' {
    if (this.signal.aborted) return 'stopping';
    if (this.#isWaiting) return 'paused';
    return this.#wantsPause ? 'pausing' : 'running';
  }

  /** Waits after the step that is running. */
  pause(): void {
    this.#wantsPause = true;
  }

  resume(): void {
    this.#wantsPause = false;
    this.#wake();
  }

  /** Stops after the step that is running, with a checkpoint. */
  stop(): void {
    this.#stop.abort();
  }

  /** A checkpoint after the step that is running. @returns its directory; undefined where that step has one already. */
  checkpoint(): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#wake();
    });
  }

  /** Does what was asked for; returns when the run may go on. */
  async betweenSteps(trainer: Trainer): Promise<void> {
    for (;;) {
      await this.#writeCheckpoint(trainer);
      if (this.#waiting.length > 0) continue; // asked for meanwhile
      if (!this.#wantsPause || this.signal.aborted) return;
      this.#isWaiting = true;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#isWaiting = false;
    }
  }

  /** Those who still wait are told that the run is over. */
  end(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(undefined);
  }

  async #writeCheckpoint(trainer: Trainer): Promise<void> {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    try {
      const directory = await trainer.checkpoint();
      for (const { resolve } of waiting) resolve(directory);
    } catch (error) {
      // A full disk now is no reason to end the run.
      for (const { reject } of waiting) reject(error);
    }
  }
}
