// A map from 52-bit numbers to 32-bit ones for near-duplicates: open addressing in two typed arrays, 16 to 32 bytes per
// entry. A JavaScript Map takes several times that and ends at 2^24 entries, which a few hundred megabytes of text reach.

/** Keys are integers in [1, 2^52]; they are hashes, so their low bits choose the slot as they are. */
export class FingerprintMap {
  #size = 0;
  /** Power of two slots; 0 marks a free one. */
  #keys = new Float64Array(32);
  #values = new Uint32Array(32);

  get size(): number {
    return this.#size;
  }

  get(fingerprint: number): number | undefined {
    const slot = slotOf(this.#keys, fingerprint);
    return this.#keys[slot] === fingerprint ? this.#values[slot] : undefined;
  }

  /** Adds a fingerprint with its value, in [0, 2^32); one that is there keeps the value it has. */
  add(fingerprint: number, value: number): void {
    const slot = slotOf(this.#keys, fingerprint);
    if (this.#keys[slot] === fingerprint) return;
    this.#keys[slot] = fingerprint;
    this.#values[slot] = value;
    this.#size++;
    // At most three quarters full: beyond that, searches get long.
    if (this.#size > 0.75 * this.#keys.length) this.#grow();
  }

  /** Visits every entry once, in no particular order. */
  forEach(visit: (fingerprint: number, value: number) => void): void {
    for (let slot = 0; slot < this.#keys.length; slot++) {
      const fingerprint = this.#keys[slot]!;
      if (fingerprint !== 0) visit(fingerprint, this.#values[slot]!);
    }
  }

  #grow(): void {
    const keys = new Float64Array(2 * this.#keys.length);
    const values = new Uint32Array(keys.length);
    this.forEach((fingerprint, value) => {
      const slot = slotOf(keys, fingerprint);
      keys[slot] = fingerprint;
      values[slot] = value;
    });
    this.#keys = keys;
    this.#values = values;
  }
}

/** Where the fingerprint is, or else the free slot where it belongs. */
function slotOf(keys: Float64Array, fingerprint: number): number {
  const mask = keys.length - 1;
  let slot = (fingerprint | 0) & mask;
  while (keys[slot] !== 0 && keys[slot] !== fingerprint) slot = (slot + 1) & mask;
  return slot;
}
