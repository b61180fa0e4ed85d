// Byte pair encoding of a tokenizer.json whose pieces are not GPT-2's: over characters, with prefixes, suffixes, bytes for
// unknown characters. Pairs are merged in the order of their rank, the leftmost first; a heap keeps a piece of n characters
// at n log n. Behaviour as in the tokenizers library (Rust, models/bpe).

import { MinHeap } from './min-heap.ts';
import { type Part, unsupported } from './unsupported.ts';
import { byteIds, type ModelPart, type PieceEncoder, unknownId, unknownText } from './vocabulary.ts';

/** Pieces that are remembered; text repeats its words. */
const cacheSize = 65_536;
const longestRemembered = 64;

interface Merge {
  rank: number;
  id: number;
}

/** @param merges pairs of tokens, in the order learned. */
export function createBytePairModel(model: ModelPart, merges: readonly (readonly [string, string])[]): PieceEncoder {
  const { part, ordinary } = model;
  if (part.dropout) throw unsupported(`model BPE with dropout ${part.dropout}, which is random`);
  const ranks = mergeRanks(model, merges);
  const start = characterEncoder(model);
  const cache = new Map<string, readonly number[]>();
  return (piece, ids) => {
    if (piece === '') return;
    const whole = part.ignore_merges ? ordinary.get(piece) : undefined;
    let found = whole === undefined ? cache.get(piece) : [whole];
    if (found === undefined) {
      found = mergeAll(start(piece), ranks);
      if (piece.length <= longestRemembered) {
        if (cache.size >= cacheSize) cache.clear();
        cache.set(piece, found);
      }
    }
    for (const id of found) ids.push(id);
  };
}

/** What a pair of ids becomes, by both. */
function mergeRanks({ part, ordinary, all }: ModelPart, merges: readonly (readonly [string, string])[]) {
  const prefix = affix(part, 'continuing_subword_prefix');
  const ranks = new Map<string, Merge>();
  for (const [rank, [left, right]] of merges.entries()) {
    // The prefix is cut by its length, whatever stands there.
    const id = ordinary.get(left + right.slice(prefix.length));
    if (id !== undefined) ranks.set(`${all.get(left)} ${all.get(right)}`, { rank, id });
  }
  return ranks;
}

/** A piece as the ids of its characters. */
function characterEncoder(model: ModelPart): (piece: string) => number[] {
  const { part, ordinary, all } = model;
  const [prefix, suffix] = [affix(part, 'continuing_subword_prefix'), affix(part, 'end_of_word_suffix')];
  const unknown = unknownId(model);
  return (piece) => {
    const ids: number[] = [];
    let waiting: number | undefined;
    const flush = () => {
      if (waiting !== undefined) ids.push(waiting);
      waiting = undefined;
    };
    let at = 0;
    for (const character of piece) {
      const isLast = at + character.length === piece.length;
      const text = (at > 0 ? prefix : '') + character + (isLast ? suffix : '');
      at += character.length;
      const id = ordinary.get(text);
      const bytes = id === undefined && part.byte_fallback ? byteIds(all, text) : undefined;
      if (id !== undefined) {
        flush();
        ids.push(id);
      } else if (bytes !== undefined) ids.push(...bytes);
      else if (unknown === undefined) throw unknownText(character);
      else {
        if (!part.fuse_unk) flush();
        waiting = unknown;
      }
    }
    flush();
    return ids;
  };
}

function mergeAll(ids: number[], ranks: ReadonlyMap<string, Merge>): number[] {
  // Neighbours as a linked list; next[i] is ids.length at the end, -1 where the token was merged away.
  const next = ids.map((_, i) => i + 1);
  const previous = ids.map((_, i) => i - 1);
  const heap = new MinHeap<{ rank: number; at: number; id: number; left: number; right: number }>(
    (a, b) => a.rank - b.rank || a.at - b.at,
  );
  const consider = (at: number) => {
    const right = next[at]!;
    if (at < 0 || right >= ids.length) return;
    const merge = ranks.get(`${ids[at]} ${ids[right]}`);
    if (merge) heap.push({ ...merge, at, left: ids[at]!, right: ids[right]! });
  };
  for (let i = 0; i < ids.length; i++) consider(i);
  for (let found = heap.pop(); found !== undefined; found = heap.pop()) {
    const { at, id, left, right } = found;
    const after = next[at]!;
    // What stood there when it was noted may have been merged since.
    if (after < 0 || after >= ids.length || ids[at] !== left || ids[after] !== right) continue;
    ids[at] = id;
    next[at] = next[after]!;
    next[after] = -1;
    if (next[at]! < ids.length) previous[next[at]!] = at;
    if (previous[at]! >= 0) consider(previous[at]!);
    consider(at);
  }
  return ids.filter((_, i) => next[i]! >= 0);
}

function affix(part: Part, key: string): string {
  const value = part[key] ?? '';
  if (typeof value === 'string') return value;
  throw unsupported(`model BPE with ${key} ${JSON.stringify(value)}`);
}
