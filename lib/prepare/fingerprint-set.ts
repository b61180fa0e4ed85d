// A set of 52-bit numbers for near-duplicates.ts: open addressing in one Float64Array, 11 to 22 bytes per number. A
// JavaScript Set takes several times that and ends at 2^24 entries, which a few hundred megabytes of text reach.

/** Numbers are integers in [1, 2^52]; they are hashes, so their low bits choose the slot as they are. */
export class FingerprintSet {
  #size = 0;
  /** Power of two slots; 0 marks a free one. */
  #slots = new Float64Array(32);

  get size(): number {
    return this.#size;
  }

  has(fingerprint: number): boolean {
    return this.#slots[slotOf(this.#slots, fingerprint)] === fingerprint;
  }

  add(fingerprint: number): void {
    const slot = slotOf(this.#slots, fingerprint);
    if (this.#slots[slot] === fingerprint) return;
    this.#slots[slot] = fingerprint;
    this.#size++;
    // At most three quarters full: beyond that, searches get long.
    if (this.#size > 0.75 * this.#slots.length) this.#grow();
  }

  /** Visits every number once, in no particular order. */
  forEach(visit: (fingerprint: number) => void): void {
    for (const fingerprint of this.#slots) if (fingerprint !== 0) visit(fingerprint);
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#slots.length);
    this.forEach((fingerprint) => {
      larger[slotOf(larger, fingerprint)] = fingerprint;
    });
    this.#slots = larger;
  }
}

/** Where the fingerprint is, or else the free slot where it belongs. */
function slotOf(slots: Float64Array, fingerprint: number): number {
  const mask = slots.length - 1;
  let slot = (fingerprint | 0) & mask;
  while (slots[slot] !== 0 && slots[slot] !== fingerprint) slot = (slot + 1) & mask;
  return slot;
}
