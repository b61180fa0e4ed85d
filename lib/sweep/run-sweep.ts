// Carries a sweep out: several runs at a time, each a process, started where and as its directory says. Keeps nothing of
// its own: killed and started again, it finds in the run directories what is done.

import path from 'node:path';
import process from 'node:process';
import { stringify } from 'yaml';
import { explainWriting } from '../files/explain-writing.ts';
import { HolderWatch } from '../files/holder-watch.ts';
import { lockHolder } from '../files/lock-file.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { thisProcess } from '../files/process-identity.ts';
import { replaceFile } from '../files/replace-file.ts';
import { isTrainingThere, runLockName } from '../train/run-directory.ts';
import type { PlannedRun } from './plan-runs.ts';
import { type RunStatus, readStatus } from './run-status.ts';
import { type Ending, TrainProcess } from './train-process.ts';

export interface SweepOptions {
  /** Runs at a time. */
  parallel: number;
  /** Threads of each, where its configuration does not say. */
  threads: number;
  /** Whether a directory that holds another run is overwritten. */
  overwrite: boolean;
  /** Stops the runs with checkpoints. */
  signal: AbortSignal;
  /** A run is at its end, or as far as it will come now. Told one after the other. */
  onStatus(run: PlannedRun, status: RunStatus): void | Promise<void>;
  /** Word for people. */
  onNote(text: string): void;
}

/** In a run directory: the configuration it is trained by. */
export const runConfigName = 'config.yaml';

export class SweepRunner {
  readonly #options: SweepOptions;
  readonly #running = new Map<PlannedRun, TrainProcess>();
  readonly #waiting: PlannedRun[] = [];
  /** Aborted when the sweep is to stop, or cannot go on. */
  readonly #signal: AbortSignal;
  readonly #failed = new AbortController();
  #told: Promise<void> = Promise.resolve();

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
  }

  /** The newest step of each run that is running; undefined before its first. */
  get running(): ReadonlyMap<PlannedRun, { step: number; loss: number } | undefined> {
    return new Map([...this.#running].map(([run, { latest }]) => [run, latest]));
  }

  /** Runs that have not been begun. */
  get waiting(): readonly PlannedRun[] {
    return this.#waiting;
  }

  /** Runs all that are not complete, in their order; what fails stops nothing else. */
  async run(runs: readonly PlannedRun[]): Promise<void> {
    this.#waiting.push(...runs);
    const stop = () => {
      this.#waiting.length = 0;
      for (const each of this.#running.values()) each.stop();
    };
    // Nothing goes on behind the back of a sweep that ends at once.
    const kill = () => {
      for (const each of this.#running.values()) each.kill();
    };
    this.#signal.addEventListener('abort', stop);
    process.on('exit', kill);
    const lanes = Array.from({ length: this.#options.parallel }, () => this.#lane());
    try {
      await Promise.all(lanes);
    } catch (error) {
      // Such as a full disk, where the results are written.
      this.#failed.abort();
      await Promise.allSettled(lanes);
      throw error;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      process.off('exit', kill);
    }
  }

  /** One run after the other. */
  async #lane(): Promise<void> {
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) {
      const status = await this.#finish(run);
      if (status !== undefined) await this.#tell(run, status);
    }
  }

  #tell(run: PlannedRun, status: RunStatus): Promise<void> {
    this.#told = this.#told.then(() => this.#options.onStatus(run, status));
    return this.#told;
  }

  /** Trains a run to its end. @returns undefined where it did not begin, because the sweep is to stop. */
  async #finish(run: PlannedRun): Promise<RunStatus | undefined> {
    const { overwrite, threads } = this.#options;
    for (;;) {
      await this.#waitUntilFree(run);
      if (this.#signal.aborted) return undefined;
      const before = await readStatus(run);
      if (before.state === 'complete' || (before.state === 'foreign' && !overwrite)) return before;
      await explainWriting(`${run.directory} (a run)`, 'complete runs are kept', () => makeDirectory(run.directory));
      const config = path.join(run.directory, runConfigName);
      await replaceFile(config, stringify(run.settings), 'the configuration of a run');
      if (this.#signal.aborted) return undefined;
      // Resuming begins anew where there is nothing, and goes on where a process left from an earlier sweep was here since.
      const train = new TrainProcess(config, before.state === 'foreign' ? 'overwrite' : 'auto', threads);
      this.#running.set(run, train);
      const ending = await train.ended;
      this.#running.delete(run);
      const status = await readStatus(run);
      if (status.state === 'complete' || this.#signal.aborted) return status;
      // Such a process may have been starting still when the directory looked free.
      if (ending.errors.includes(isTrainingThere)) continue;
      return { state: 'failed', step: 'step' in status ? status.step : 0, reason: reasonOf(ending) };
    }
  }

  /** A sweep that was killed leaves processes that end their step and save; somebody may train there by hand. */
  async #waitUntilFree(run: PlannedRun): Promise<void> {
    const lock = path.join(run.directory, runLockName);
    const watch = new HolderWatch(await thisProcess());
    for (let isTold = false; !this.#signal.aborted; isTold = true) {
      const holder = await lockHolder(lock, watch);
      if (holder === undefined) return;
      if (!isTold) {
        this.#options.onNote(
          `${run.name}: waiting for ${holder.text}, which is still training there (if that is no burgeon, delete ${lock})`,
        );
      }
      await watch.pause(this.#signal);
    }
  }
}

/** Why a run did not come to its end, in one line. */
function reasonOf({ code, signal, errors }: Ending): string {
  const text = errors
    .split(/^burgeon: /m)
    .at(-1)!
    .trim()
    .replace(/\s*\n\s*/g, ' ');
  if (text !== '') return text;
  return signal === null ? `ended with exit status ${code}` : `ended by ${signal}`;
}
