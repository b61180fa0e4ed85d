// When a run writes checkpoints: every so many steps, every so many minutes, and when an error ends it, of the last good step.
// One that cannot be written while the run goes on is no reason to end it.

import { BurgeonError } from '../errors.ts';
import type { RunRecorder } from './run-recorder.ts';
import type { RunState } from './run-state.ts';
import type { TrainConfig } from './train-config.ts';
import { isNonFinite } from './train-step.ts';

export interface SavedRunParts {
  config: TrainConfig;
  state: Readonly<Pick<RunState, 'step'>>;
  recorder: RunRecorder;
  /** Whether the step it begins with has a checkpoint. */
  isSaved: boolean;
  /** Receives notes for people. */
  onNote: (note: string) => void;
  /** What the run replaces may go. */
  begun: () => Promise<void>;
  /** Whether the disk has no room for one checkpoint more. */
  lacksRoom: () => Promise<boolean>;
}

export class RunSaver {
  readonly #run: SavedRunParts;
  #savedStep: number;
  #lastMs = performance.now();

  constructor(run: SavedRunParts) {
    this.#run = run;
    this.#savedStep = run.isSaved ? run.state.step : 0;
  }

  /** Whether there is nothing to write: the last step has a checkpoint, or there is none. */
  get isSaved(): boolean {
    return this.#savedStep === this.#run.state.step;
  }

  /** Whether so many minutes have passed since the last one. */
  get isTime(): boolean {
    const { everyMinutes } = this.#run.config.checkpoint;
    return everyMinutes > 0 && performance.now() - this.#lastMs >= 60_000 * everyMinutes;
  }

  /** @returns its directory. @throws {BurgeonError} ERR_BURGEON_CHECKPOINT. */
  async save(validationLoss?: number): Promise<string> {
    // The clock starts again also where it fails, so that a full disk is not tried at every step.
    this.#lastMs = performance.now();
    return this.#write(() => this.#run.recorder.checkpoint(validationLoss));
  }

  /** What the run replaces goes with its first checkpoint, or before, where it takes the room of that. */
  async #write(checkpoint: () => Promise<string>): Promise<string> {
    const { begun, lacksRoom, state } = this.#run;
    const isFirst = this.#savedStep === 0;
    const directory = await checkpoint().catch(async (error) => {
      if (!isFirst || !isCheckpointError(error) || !(await lacksRoom())) throw error;
      await begun();
      return checkpoint();
    });
    this.#savedStep = state.step;
    // What cannot be deleted now is at the next opening, as there is a checkpoint.
    if (isFirst) await begun().catch(() => {});
    return directory;
  }

  /** The same in the middle of a run: one that cannot be written is told, and the next one tried when it is due. */
  async trySave(validationLoss?: number): Promise<string | undefined> {
    try {
      return await this.save(validationLoss);
    } catch (error) {
      const { recorder, onNote, state } = this.#run;
      if (!isCheckpointError(error) || recorder.hasLostPlace) throw error;
      const text = `no checkpoint of step ${state.step}: ${error.message}; training goes on, and tries again when the next is due`;
      recorder.warn(text);
      onNote(text);
      return undefined;
    }
  }

  /**
   * After an error: keeps what was trained. Older checkpoints stay, as it may be one of them that is needed to go on.
   * @param model.isWhole whether weights and moments are those of the last step.
   * @param model.isHere whether all moments are, and not divided over ranks: these end with the error.
   */
  async saveLastGood(error: unknown, { isWhole, isHere }: { isWhole: boolean; isHere: boolean }): Promise<void> {
    const { state, recorder, onNote } = this.#run;
    // What could not be written just now is not tried again.
    if (this.isSaved || isCheckpointError(error)) return;
    const newest = this.#savedStep > 0 ? `--resume goes on from step ${this.#savedStep}` : 'there is none before it';
    if (isNonFinite(error)) {
      // The same weights and the same tokens: going on from here would end here again.
      onNote(`no checkpoint of step ${state.step}, after which numbers are not finite; ${newest}`);
    } else if (!isWhole) {
      onNote(`no checkpoint of step ${state.step}, as the step after it has changed weights already; ${newest}`);
    } else if (!isHere) {
      onNote(`no checkpoint of step ${state.step}, whose moments are divided over ranks (optimizer.shard); ${newest}`);
    } else {
      try {
        const directory = await this.#write(() => recorder.checkpoint(undefined, { prunes: false }));
        onNote(`wrote ${directory}, the last good step; --resume goes on from there`);
      } catch (another) {
        onNote(`no checkpoint of step ${state.step}: ${(another as Error).message}; ${newest}`);
      }
    }
  }
}

function isCheckpointError(error: unknown): error is BurgeonError {
  return error instanceof BurgeonError && error.code === 'ERR_BURGEON_CHECKPOINT';
}
