// A file that a long process appends to, a few times a second. A disk that is full for a while costs nothing: what cannot be
// written is kept and tried again, which is said once. Nothing is thrown from a timer: what those who listen throw is thrown
// by the next call.

import { writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

export interface LogFileOptions<Item> {
  /** For messages. */
  path: string;
  /** Open for appending; closed by `close`. */
  handle: FileHandle;
  /** Items are written together when so much time has passed: one write each would be dear. */
  everyMs: number;
  encode(items: readonly Item[]): Uint8Array;
  /** Is given every item once it is in the file. */
  onWritten?: ((item: Item) => void) | undefined;
  /** Is told when the file cannot be written, when it can be again, and what it lacks in the end. */
  onTrouble?: ((text: string) => void) | undefined;
}

const nothing: Uint8Array = new Uint8Array();

export class LogFile<Item> {
  readonly #options: LogFileOptions<Item>;
  readonly #timer: NodeJS.Timeout;
  #waiting: Item[] = [];
  /** The items that are being written, and what of their bytes is not in the file yet. */
  #begun: Item[] = [];
  #bytes = nothing;
  #problem: string | undefined;
  #isDiscarded = false;
  /** Thrown by those who listen while a timer was running. */
  #thrown: { error: unknown } | undefined;

  constructor(options: LogFileOptions<Item>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#onTimer(), options.everyMs).unref();
  }

  /** Appends an item: when it is time, or at once with all before it. @throws what those who listen threw. */
  add(item: Item, atOnce = false): void {
    if (this.#isDiscarded) return;
    this.#waiting.push(item);
    this.#throwAgain();
    if (atOnce) this.#flush();
  }

  /** Writes what waits, and waits until it is on disk; what cannot be written now is told and kept. */
  async sync(): Promise<void> {
    this.#flush();
    await this.#options.handle
      .sync()
      .catch((error: Error) => this.#tell(`is perhaps not on disk yet (${error.message})`));
  }

  /** Drops what waits and what comes: the file is another process's now. */
  discard(): void {
    this.#isDiscarded = true;
    this.#waiting = [];
    this.#begun = [];
    this.#bytes = nothing;
  }

  /** Writes what is left and closes the file; what cannot be written now is lost. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      this.#flush();
      const lost = this.#begun.length + this.#waiting.length;
      if (lost > 0)
        this.#tell(`${lost === 1 ? 'its last line is' : `its last ${lost} lines are`} lost: ${this.#problem}`);
      this.#throwAgain();
    } finally {
      await this.#options.handle.close().catch((error: Error) => this.#tell(`is perhaps not whole (${error.message})`));
    }
  }

  #onTimer(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#thrown ??= { error };
    }
  }

  #throwAgain(): void {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown) throw thrown.error;
  }

  #flush(): void {
    const { encode, onWritten } = this.#options;
    while (this.#write()) {
      const written = this.#begun;
      this.#begun = this.#waiting;
      this.#waiting = [];
      // At its turn it is in the file, whatever a listener throws.
      this.#bytes = this.#begun.length > 0 ? encode(this.#begun) : nothing;
      for (const item of written) onWritten?.(item);
      if (this.#begun.length === 0) return;
    }
  }

  /** @returns whether all that was begun is in the file. */
  #write(): boolean {
    try {
      while (this.#bytes.length > 0) {
        // At once: handing such a short write to another thread takes longer than doing it.
        this.#bytes = this.#bytes.subarray(writeSync(this.#options.handle.fd, this.#bytes));
      }
    } catch (error) {
      const isNew = this.#problem === undefined;
      this.#problem = (error as Error).message;
      if (isNew) this.#tell(`cannot be written (${this.#problem}); going on, what it lacks is kept and tried again`);
      return false;
    }
    if (this.#problem !== undefined && this.#begun.length > 0) {
      this.#problem = undefined;
      this.#tell('can be written again; nothing is missing');
    }
    return true;
  }

  #tell(text: string): void {
    this.#options.onTrouble?.(`${this.#options.path}: ${text}`);
  }
}
