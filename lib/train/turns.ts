// One at a time, in the order of asking: the steps of a trainer, and what others do with its model between them.

import { AsyncLocalStorage } from 'node:async_hooks';

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  /** The turn that called; a timer that it left behind calls when it is over. */
  readonly #caller = new AsyncLocalStorage<{ isOver: boolean }>();

  /** Does `work` once all before it is done. Within a turn: at once, or it would wait for itself. */
  take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#caller.getStore()?.isOver === false) return work();
    const turn = { isOver: false };
    const result = this.#last.then(() => this.#caller.run(turn, work));
    const end = () => {
      turn.isOver = true;
    };
    // What fails is for its caller alone.
    this.#last = result.then(end, end);
    return result;
  }
}
