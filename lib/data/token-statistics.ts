// What is in the tokens of a split, counted in one pass: how often each token occurs, and how long documents are.

import { type ReadBlocksOptions, readBlocks } from './read-blocks.ts';
import type { TokenSource } from './token-source.ts';

export interface TokenStatistics {
  tokens: number;
  /** How often each token of the vocabulary occurs. (V) */
  counts: Float64Array;
  /** Tokens of documents, without the one before each; undefined where they cannot be told apart. */
  lengths: LengthStatistics | undefined;
  /** Of each file, in order; documents that begin in it. */
  shards: { tokens: number; documents: number; unknown: number }[];
}

export interface LengthStatistics {
  documents: number;
  mean: number;
  /** Shortest and longest, and the lengths that 5, 25, 50, 75 and 95 % of the documents do not exceed. */
  min: number;
  p5: number;
  p25: number;
  p50: number;
  p75: number;
  p95: number;
  max: number;
  /** From the first to the last that has documents: lengths `from` to `to`, each bin twice as wide as the one before. */
  histogram: { from: number; to: number; documents: number }[];
}

export interface StatisticsOptions extends ReadBlocksOptions {
  vocabSize: number;
  /** Stands before every document; null where there is none. */
  delimiter: number | null;
  /** Whether the split is a single document. */
  isOneDocument: boolean;
  /** Stands for text that the tokenizer has no token for, if it has such a token. */
  unknown: number | undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when tokens cannot be read or are outside the vocabulary. */
export async function tokenStatistics(source: TokenSource, options: StatisticsOptions): Promise<TokenStatistics> {
  const { vocabSize, delimiter, isOneDocument, unknown = -1 } = options;
  const counts = new Float64Array(vocabSize);
  const shards = source.files.map(({ tokenCount: tokens }) => ({ tokens, documents: 0, unknown: 0 }));
  const lengths = new Map<number, number>();
  const addLength = (length: number) => lengths.set(length, (lengths.get(length) ?? 0) + 1);
  let shard = 0;
  let shardEnd = shards[0]!.tokens;
  let begin: number | undefined;
  for await (const { start, tokens } of readBlocks(source, options)) {
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      while (start + i >= shardEnd) shardEnd += shards[++shard]!.tokens;
      counts[token]!++;
      if (token === unknown) shards[shard]!.unknown++;
      const isFirst = start + i === 0;
      if (token !== delimiter && !isFirst) continue;
      if (begin !== undefined) addLength(start + i - begin);
      begin = start + i + (token === delimiter ? 1 : 0);
      shards[shard]!.documents++;
    }
  }
  if (begin !== undefined) addLength(source.tokenCount - begin);
  const isKnown = delimiter !== null || isOneDocument;
  if (!isKnown) for (const each of shards) each.documents = 0;
  return { tokens: source.tokenCount, counts, shards, lengths: isKnown ? lengthStatistics(lengths) : undefined };
}

/** @param documents how many have each length; at least one. */
export function lengthStatistics(documents: ReadonlyMap<number, number>): LengthStatistics {
  const sorted = [...documents].sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, n]) => sum + n, 0);
  const at = (share: number) => {
    let left = Math.max(1, Math.ceil(share * total));
    for (const [length, n] of sorted) {
      left -= n;
      if (left <= 0) return length;
    }
    return sorted.at(-1)![0];
  };
  return {
    documents: total,
    mean: sorted.reduce((sum, [length, n]) => sum + length * n, 0) / total,
    min: sorted[0]![0],
    ...{ p5: at(0.05), p25: at(0.25), p50: at(0.5), p75: at(0.75), p95: at(0.95) },
    max: sorted.at(-1)![0],
    histogram: histogramOf(sorted),
  };
}

/** Bins 0, 1, 2 to 3, 4 to 7, ... */
function histogramOf(sorted: readonly (readonly [length: number, documents: number])[]) {
  const binOf = (length: number) => (length === 0 ? 0 : 1 + Math.floor(Math.log2(length)));
  const first = binOf(sorted[0]![0]);
  const bins = Array.from({ length: binOf(sorted.at(-1)![0]) - first + 1 }, (_, i) => {
    const bin = first + i;
    return { from: bin === 0 ? 0 : 2 ** (bin - 1), to: bin === 0 ? 0 : 2 ** bin - 1, documents: 0 };
  });
  for (const [length, n] of sorted) bins[binOf(length) - first]!.documents += n;
  return bins;
}
