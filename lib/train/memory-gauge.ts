// Memory of this process, asked for no more than once a second: the question takes a good part of a millisecond on some
// systems, and a step may take no longer.

const leastMs = 1000;

export class MemoryGauge {
  #bytes = 0;
  #readMs = -Infinity;

  /** Resident bytes, at most a second old. */
  get bytes(): number {
    const now = performance.now();
    if (now - this.#readMs >= leastMs) {
      this.#bytes = process.memoryUsage.rss();
      this.#readMs = now;
    }
    return this.#bytes;
  }
}
