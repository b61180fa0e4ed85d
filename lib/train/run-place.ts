// The directory of a run that goes on: whether it is still the run's, and what is done where it is not, because somebody moved or
// deleted it or took it over. The run then ends. What it has computed is saved where the directory went, or where it was if nothing
// is there; where another process is at work, nothing is written any more.

import { latestIntactCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { BurgeonError } from '../errors.ts';
import { type HeldLock, type LockLoss, lossText } from '../files/held-lock.ts';

export class RunPlace {
  readonly #output: string;
  readonly #lock: HeldLock;
  #error: BurgeonError | undefined;

  /** @param lock of the run directory `output`. */
  constructor(output: string, lock: HeldLock) {
    this.#output = output;
    this.#lock = lock;
  }

  /**
   * To be called before each step, and before anything is written by name.
   * @param save writes a checkpoint into a directory and returns its path; called between two whole steps.
   * @param isNow looks, rather than trusting a look of a few seconds ago.
   * @throws {BurgeonError} once the directory is lost, and the same error from then on: ERR_BURGEON_BUSY where another process has it,
   *   else ERR_BURGEON_CHECKPOINT.
   */
  async require(step: number, save: (directory: string) => Promise<string>, { isNow = false } = {}): Promise<void> {
    if (this.#error) throw this.#error;
    const loss = await this.#lock.check({ isNow });
    if (loss === undefined) return;
    const text = `output ${this.#output}: ${lossText(loss)} while the run went on`;
    const code = loss.what === 'taken' ? 'ERR_BURGEON_BUSY' : 'ERR_BURGEON_CHECKPOINT';
    this.#error = new BurgeonError(code, `${text}; ${await this.#ending(loss, step, save)}`);
    throw this.#error;
  }

  /** Whether the directory was found to be lost. */
  get isLost(): boolean {
    return this.#error !== undefined;
  }

  /** Whether what is in the directory is another process's. */
  get isTaken(): boolean {
    return this.#error?.code === 'ERR_BURGEON_BUSY';
  }

  async #ending(loss: LockLoss, step: number, save: (directory: string) => Promise<string>): Promise<string> {
    if (loss.what === 'taken') {
      return `stopped after step ${step} and wrote nothing more there; leave it to that process, or choose another output`;
    }
    const directory = await this.#lock.recover();
    if (step === 0) return 'stopped before the first step; start again';
    const lost = `stopped after step ${step}, of which there is no checkpoint`;
    if (directory === undefined) return `${lost}: the place is taken; start again with another output`;
    try {
      const { latest } = await latestIntactCheckpoint(directory);
      const checkpoint = latest?.step === step ? latest.directory : await save(directory);
      const output = loss.what === 'moved' ? ` --set output=${directory}` : '';
      const rest = loss.what === 'removed' ? '; what else was in it is gone' : '';
      return `stopped after step ${step} with ${checkpoint}${rest}; continue with --resume${output}`;
    } catch (error) {
      return `${lost}: ${(error as Error).message}`;
    }
  }
}
