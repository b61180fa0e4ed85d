// Progress on a terminal: one line that is rewritten in place. Where the output is no terminal, a plain line now and
// then instead, so that logs stay readable.

/** Least time between plain lines. */
const plainIntervalMs = 10_000;
/** Least time between rewrites of the live line. */
const liveIntervalMs = 100;

export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  /** Whether the line is rewritten in place. */
  readonly isLive: boolean;
  #lastMs = -Infinity;
  #isShown = false;
  /** What was not shown because it was not time. */
  #unshown: (() => string) | undefined;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    this.isLive = stream.isTTY === true;
  }

  /** Shows the text, if it is time; `text` is only made then. */
  update(text: () => string, force = false): void {
    const now = performance.now();
    const isTime = force || now - this.#lastMs >= (this.isLive ? liveIntervalMs : plainIntervalMs);
    this.#unshown = isTime ? undefined : text;
    if (!isTime) return;
    this.#lastMs = now;
    if (!this.isLive) {
      this.#stream.write(`${text()}\n`);
      return;
    }
    // Cut to the width, or a wrapped line could not be rewritten.
    this.#stream.write(`\r\x1b[2K${text().slice(0, (this.#stream.columns ?? 80) - 1)}`);
    this.#isShown = true;
  }

  /** Prints lines that stay, above the live one. */
  print(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** The work is done: where lines stay, the last of them says so. */
  finish(): void {
    if (!this.isLive && this.#unshown) this.update(this.#unshown, true);
    this.clear();
  }

  /** Removes the live line. */
  clear(): void {
    if (this.#isShown) this.#stream.write('\r\x1b[2K');
    this.#isShown = false;
  }
}
