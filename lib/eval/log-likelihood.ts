// Log-likelihoods of endings after their contexts: the sum of the log-probabilities of an ending's tokens, in nats.

import { BurgeonError } from '../errors.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import type { Question } from './multiple-choice.ts';

/**
 * Most bytes of logits that a batch may have. Up to about here (a few hundred tokens of a small vocabulary) a batch is
 * faster than its rows one by one; with GPT-2's vocabulary handing out all logits takes longer than it saves.
 */
const maxLogitBytes = 8 << 20;

/** One ending after its context, as a row of a batch. */
export interface ScoredRow {
  /** Input tokens: the end of the context and the ending, without its last token. */
  tokens: Int32Array;
  /** What the last inputs should predict: the ending. */
  ending: Int32Array;
  /** Whether the beginning of the context had to be left out. */
  isCut: boolean;
}

/**
 * A context that is too long loses its beginning, never its last token; the ending stays whole.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the ending alone is too long.
 */
export function scoredRow(question: Question, index: number, sequenceLength: number): ScoredRow {
  const { context, endings, place } = question;
  const ending = endings[index]!.tokens;
  if (ending.length > sequenceLength) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${place}: endings[${index}]: expected at most ${sequenceLength} tokens, the length of a sequence, found ${ending.length}; it cannot be scored as a whole`,
    );
  }
  const kept = context.subarray(Math.max(0, context.length + ending.length - 1 - sequenceLength));
  const tokens = new Int32Array(kept.length + ending.length - 1);
  tokens.set(kept);
  tokens.set(ending.subarray(0, -1), kept.length);
  return { tokens, ending, isCut: kept.length < context.length };
}

export interface Scores {
  /** One array per question, one number per ending. */
  logLikelihoods: Float64Array[];
  /** Endings whose context lost its beginning. */
  cut: number;
  /** Input tokens of all rows, without padding. */
  tokens: number;
  ms: number;
}

/**
 * Scores every ending of every question, the longest rows first, so that batches are even and memory runs out early or not
 * at all.
 * @param options.batchSize most rows per batch; fewer where their logits would take more than 8 MiB.
 * @throws {BurgeonError} ERR_BURGEON_DATA when an ending does not fit a sequence (before anything is computed);
 *   ERR_BURGEON_NONFINITE.
 */
export async function scoreQuestions(
  model: Model,
  questions: readonly Question[],
  options: {
    batchSize?: number;
    /** Most tokens of a row. Default, and at most: the model's context length. */
    sequenceLength?: number | undefined;
    /** What takes part; absent: the full model. */
    subnetwork?: Subnetwork | undefined;
    onProgress?: (done: number, total: number) => void;
  } = {},
): Promise<Scores> {
  const start = performance.now();
  const { sequenceLength = model.config.contextLength } = options;
  const rows = questions.flatMap((question, q) =>
    question.endings.map((_, k) => ({ q, k, ...scoredRow(question, k, sequenceLength) })),
  );
  // The sort is stable: equal lengths stay in the order of the file.
  const ordered = [...rows].sort((a, b) => b.tokens.length - a.tokens.length);
  const logLikelihoods = questions.map(({ endings }) => new Float64Array(endings.length));
  for (let begin = 0; begin < ordered.length; ) {
    const batch = ordered.slice(begin, begin + rowsThatFit(model, ordered[begin]!, options.batchSize ?? 8));
    const sums = await sumBatch(model, batch, options.subnetwork);
    for (const [i, { q, k }] of batch.entries()) {
      if (!Number.isFinite(sums[i])) throw notFinite(questions[q]!, k, sums[i]!);
      logLikelihoods[q]![k] = sums[i]!;
    }
    begin += batch.length;
    options.onProgress?.(begin, ordered.length);
  }
  return {
    logLikelihoods,
    cut: rows.filter((row) => row.isCut).length,
    tokens: rows.reduce((sum, row) => sum + row.tokens.length, 0),
    ms: performance.now() - start,
  };
}

function rowsThatFit(model: Model, longest: ScoredRow, batchSize: number): number {
  const bytesPerRow = 4 * longest.tokens.length * model.config.vocabSize;
  return Math.max(1, Math.min(batchSize, Math.floor(maxLogitBytes / bytesPerRow)));
}

/** @param rows longest first. */
async function sumBatch(
  model: Model,
  rows: readonly ScoredRow[],
  subnetwork: Subnetwork | undefined,
): Promise<number[]> {
  return rows.length === 1 ? [await sumOfOne(model, rows[0]!, subnetwork)] : await sumOfEach(model, rows, subnetwork);
}

/** From the mean loss, so that no logits leave the engine. */
async function sumOfOne(model: Model, { tokens, ending }: ScoredRow, subnetwork?: Subnetwork): Promise<number> {
  const targets = new Int32Array(tokens.length).fill(-1);
  targets.set(ending, tokens.length - ending.length);
  const { loss } = await model.forward(tokens, { targets, subnetwork });
  return -loss * ending.length;
}

/** From logits, as the loss is one number for the whole batch. */
async function sumOfEach(model: Model, rows: readonly ScoredRow[], subnetwork?: Subnetwork): Promise<number[]> {
  const T = rows[0]!.tokens.length;
  const V = model.config.vocabSize;
  // Short rows are filled up behind their end, where no token before looks.
  const tokens = new Int32Array(rows.length * T);
  for (const [b, row] of rows.entries()) tokens.set(row.tokens, b * T);
  const { logits } = await model.forward(tokens, { batchSize: rows.length, logits: 'all', subnetwork });
  return rows.map((row, b) => {
    const first = b * T + row.tokens.length - row.ending.length;
    return row.ending.reduce((sum, token, i) => {
      const at = (first + i) * V;
      return sum + logProbability(logits!.subarray(at, at + V), token);
    }, 0);
  });
}

/** @param logits (V) of one position. */
function logProbability(logits: Float32Array | Float64Array, token: number): number {
  let greatest = -Infinity;
  for (const logit of logits) greatest = Math.max(greatest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - greatest);
  return logits[token]! - greatest - Math.log(sum);
}

function notFinite({ place }: Question, index: number, value: number): BurgeonError {
  return new BurgeonError(
    'ERR_BURGEON_NONFINITE',
    `${place}: endings[${index}]: expected a finite log-likelihood, computed ${value}; the weights hold values that are not finite`,
  );
}
