// Byte pair encoding of one piece of text (Sennrich, Haddow, Birch 2016; on bytes as in GPT-2): starting from single
// bytes, the adjacent pair whose merge was learned first is replaced by its token, the leftmost such pair first, until
// no pair can be merged. Tokens are numbered in the order they were learned, so "first" is "smallest resulting token".
// Splitting text into pieces is left to gpt2.ts.

import { BurgeonError } from '../errors.ts';
import { MinHeap } from './min-heap.ts';

/**
 * A merge and its place in the piece in one number that sorts by merge, then by place. Both parts stay exact: 2^16 x
 * 2^32.
 */
const placeLimit = 2 ** 32;

/** The merges of a vocabulary, rebuilt from the bytes of its tokens. */
export class BytePairMerges {
  /** merges[i] = the two tokens whose merge is token 256 + i. */
  readonly merges: ReadonlyArray<readonly [left: number, right: number]>;
  readonly #tokenOfByte = new Int32Array(256);
  /** left x 65536 + right -> token of the merged pair. */
  readonly #tokenOfPair = new Map<number, number>();

  /**
   * A table of ranks says which byte strings are tokens, not which pair each came from. But BPE knew only earlier
   * merges when it learned token t, so encoding the bytes of t with those leaves exactly the two tokens that were
   * merged.
   * @param tokens bytes of every token in the order learned: 256 single bytes, then merges; at most 65536.
   * @throws {BurgeonError} ERR_BURGEON_DATA when the bytes are not those of such a vocabulary.
   */
  constructor(tokens: readonly Uint8Array[]) {
    for (let token = 0; token < 256; token++) this.#tokenOfByte[tokens[token]![0]!] = token;
    const merges: Array<readonly [number, number]> = [];
    for (let token = 256; token < tokens.length; token++) {
      const parts = this.encode(tokens[token]!);
      if (parts.length !== 2) {
        throw new BurgeonError(
          'ERR_BURGEON_DATA',
          `rank table: expected token ${token} to be made of 2 earlier tokens, found ${parts.length}; the table is damaged`,
        );
      }
      merges.push([parts[0]!, parts[1]!]);
      this.#tokenOfPair.set(pairKey(parts[0]!, parts[1]!), token);
    }
    this.merges = merges;
  }

  /** Tokens of a piece given as bytes. O(n log n), so that a piece of a million letters is no trap. */
  encode(bytes: Uint8Array): number[] {
    const length = bytes.length;
    // A linked list over the places of the piece; a place that was merged into its left neighbour holds token -1.
    const tokens = new Int32Array(length);
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    for (let place = 0; place < length; place++) {
      tokens[place] = this.#tokenOfByte[bytes[place]!]!;
      next[place] = place + 1;
      previous[place] = place - 1;
    }

    const mergeAt = (place: number): number | undefined => {
      const right = next[place]!;
      return right < length ? this.#tokenOfPair.get(pairKey(tokens[place]!, tokens[right]!)) : undefined;
    };
    const pending = new MinHeap();
    const consider = (place: number): void => {
      const merged = mergeAt(place);
      if (merged !== undefined) pending.push(merged * placeLimit + place);
    };

    for (let place = 0; place < length; place++) consider(place);
    for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
      const place = entry % placeLimit;
      const merged = (entry - place) / placeLimit;
      // Entries are not removed when a merge nearby changes their pair; such an entry no longer matches the text.
      if (tokens[place] === -1 || mergeAt(place) !== merged) continue;
      const right = next[place]!;
      const after = next[right]!;
      tokens[place] = merged;
      tokens[right] = -1;
      next[place] = after;
      if (after < length) previous[after] = place;
      consider(place);
      if (previous[place]! >= 0) consider(previous[place]!);
    }

    const result: number[] = [];
    for (let place = 0; place < length; place = next[place]!) result.push(tokens[place]!);
    return result;
  }
}

function pairKey(left: number, right: number): number {
  return left * 65536 + right;
}
