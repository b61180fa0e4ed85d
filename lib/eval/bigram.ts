// A baseline that any trained model should beat: the next token predicted from the last one alone, by counting.
// Smoothing is the hierarchical Dirichlet of MacKay and Peto ("A hierarchical Dirichlet language model", 1995): with
// n(a, b) pairs and n(a) of them beginning with a,
//     p(b | a) = (n(a, b) + alpha p(b)) / (n(a) + alpha),    p(b) = (n(b) + 1) / (n + V),
// so a context never seen falls back to the add-one unigram. alpha is the power of 4 that predicts the training pairs
// best when each is left out in turn; validation data plays no part in it.

import { fixedWindows } from '../data/fixed-windows.ts';
import type { TokenBatch, TokenSource } from '../data/token-source.ts';
import { BurgeonError } from '../errors.ts';

/** A dense table up to this vocabulary (8 MB), a map beyond. */
const maxDenseVocab = 1024;
/** A Map holds 2^24 entries, and every pair could be a new one. */
const maxFitTokens = 2 ** 24;
const defaultFitTokens = 10_000_000;
/** Pairs read at once while fitting; those across two blocks are read too. */
const blockTokens = 1 << 16;
const alphas = [1, 4, 16, 64, 256, 1024, 4096];

export interface FitBigramOptions {
  /** V; tokens must be below it. */
  vocabSize: number;
  /** Most pairs to count, 10 million unless given and at most 2^24; more data is sampled in evenly spaced blocks. */
  maxTokens?: number | undefined;
}

export class BigramModel {
  readonly vocabSize: number;
  /** Pairs counted. */
  readonly pairCount: number;
  /** Weight of the unigram, in pairs. */
  readonly alpha: number;
  readonly #pairs: PairCounts;
  /** n(a): pairs that begin with a. */
  readonly #contexts: Float64Array;
  /** p(b). */
  readonly #unigram: Float64Array;

  private constructor(vocabSize: number, pairs: PairCounts) {
    const contexts = new Float64Array(vocabSize);
    const seconds = new Float64Array(vocabSize);
    let pairCount = 0;
    pairs.forEach((count, a, b) => {
      contexts[a]! += count;
      seconds[b]! += count;
      pairCount += count;
    });
    this.vocabSize = vocabSize;
    this.pairCount = pairCount;
    this.#pairs = pairs;
    this.#contexts = contexts;
    this.#unigram = seconds.map((count) => (count + 1) / (pairCount + vocabSize));
    const scores = alphas.map((alpha) => this.#leaveOneOut(alpha));
    this.alpha = alphas[scores.indexOf(Math.max(...scores))]!;
  }

  /**
   * Counts the pairs of a training split.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for sizes that are not positive integers; ERR_BURGEON_DATA when the
   *   source has no pair, cannot be read, or has tokens outside the vocabulary.
   */
  static async fit(source: TokenSource, options: FitBigramOptions): Promise<BigramModel> {
    const { vocabSize, maxTokens = defaultFitTokens } = options;
    for (const [name, value] of Object.entries({ vocabSize, maxTokens })) {
      if (Number.isInteger(value) && value > 0) continue;
      throw new BurgeonError('ERR_BURGEON_CONFIG', `${name}: expected a positive integer, received ${value}`);
    }
    const limit = Math.min(maxTokens, maxFitTokens);
    const block = Math.min(blockTokens, limit);
    const count = source.tokenCount <= limit ? 'all' : Math.max(1, Math.floor(limit / block));
    const pairs = vocabSize <= maxDenseVocab ? new DensePairCounts(vocabSize) : new SparsePairCounts(vocabSize);
    for await (const { tokens, targets } of fixedWindows(source, block, count, 1)) {
      for (let i = 0; i < tokens.length; i++) {
        requireToken(tokens[i]!, vocabSize);
        requireToken(targets[i]!, vocabSize);
        pairs.increment(tokens[i]!, targets[i]!);
      }
    }
    return new BigramModel(vocabSize, pairs);
  }

  /** p(b | a). */
  probability(a: number, b: number): number {
    return (this.#pairs.get(a, b) + this.alpha * this.#unigram[b]!) / (this.#contexts[a]! + this.alpha);
  }

  /**
   * Mean loss over all targets of the batches, in nats per token.
   * @throws {BurgeonError} ERR_BURGEON_DATA for tokens outside the vocabulary, or when there are no targets.
   */
  async loss(batches: AsyncIterable<TokenBatch>): Promise<number> {
    let nats = 0;
    let count = 0;
    for await (const { tokens, targets } of batches) {
      for (let i = 0; i < tokens.length; i++) {
        requireToken(tokens[i]!, this.vocabSize);
        requireToken(targets[i]!, this.vocabSize);
        nats -= Math.log(this.probability(tokens[i]!, targets[i]!));
      }
      count += tokens.length;
    }
    if (count === 0) throw new BurgeonError('ERR_BURGEON_DATA', 'bigram loss: expected at least one target, got none');
    return nats / count;
  }

  /** Log-likelihood of the training pairs, each predicted from all the others. */
  #leaveOneOut(alpha: number): number {
    let total = 0;
    this.#pairs.forEach((count, a, b) => {
      const rest = count - 1 + alpha * this.#unigram[b]!;
      total += count * Math.log(rest / (this.#contexts[a]! - 1 + alpha));
    });
    return total;
  }
}

/** n(a, b). */
interface PairCounts {
  increment(a: number, b: number): void;
  get(a: number, b: number): number;
  /** Visits the pairs with a count above zero. */
  forEach(visit: (count: number, a: number, b: number) => void): void;
}

class DensePairCounts implements PairCounts {
  readonly #counts: Float64Array;
  readonly #vocabSize: number;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
    this.#counts = new Float64Array(vocabSize * vocabSize);
  }

  increment(a: number, b: number): void {
    this.#counts[a * this.#vocabSize + b]!++;
  }

  get(a: number, b: number): number {
    return this.#counts[a * this.#vocabSize + b]!;
  }

  forEach(visit: (count: number, a: number, b: number) => void): void {
    this.#counts.forEach((count, key) => {
      if (count > 0) visit(count, Math.floor(key / this.#vocabSize), key % this.#vocabSize);
    });
  }
}

class SparsePairCounts implements PairCounts {
  readonly #counts = new Map<number, number>();
  readonly #vocabSize: number;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
  }

  increment(a: number, b: number): void {
    this.#counts.set(a * this.#vocabSize + b, this.get(a, b) + 1);
  }

  get(a: number, b: number): number {
    return this.#counts.get(a * this.#vocabSize + b) ?? 0;
  }

  forEach(visit: (count: number, a: number, b: number) => void): void {
    for (const [key, count] of this.#counts) visit(count, Math.floor(key / this.#vocabSize), key % this.#vocabSize);
  }
}

function requireToken(token: number, vocabSize: number): void {
  if (token >= 0 && token < vocabSize) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `bigram: token ${token}: expected 0 to ${vocabSize - 1}; the data has another tokenizer than the vocabulary given`,
  );
}
