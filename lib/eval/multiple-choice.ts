// Multiple-choice questions as tokens, and what a model's log-likelihoods say about them. Pure. Reading questions is
// hellaswag.ts and llmc-eval-file.ts, computing log-likelihoods is log-likelihood.ts.

export interface Ending {
  /** What is scored, at least one token. */
  tokens: Int32Array;
  /** UTF-8 bytes of its text, without the space before it; undefined where the text is not known. */
  bytes: number | undefined;
}

export interface Question {
  /** File and line or offset, for messages. */
  place: string;
  /** What stands before every ending, at least one token. */
  context: Int32Array;
  endings: Ending[];
  /** Index of the right ending. */
  label: number;
}

/** A share of right answers and its standard error: sample standard deviation / sqrt(n), null for one answer. */
export interface Accuracy {
  value: number;
  standardError: number | null;
}

/** Right answers by three ways to choose an ending; all count sums of log-probabilities over the tokens of an ending. */
export interface Verdict {
  /** By the greatest sum. */
  total: Accuracy;
  /** By the greatest sum per byte; null when the bytes of an ending are not known. */
  perByte: Accuracy | null;
  /** By the greatest sum per token. */
  perToken: Accuracy;
}

/**
 * @param questions at least one.
 * @param logLikelihoods of each question, one per ending, in nats.
 */
export function judge(questions: readonly Question[], logLikelihoods: readonly ArrayLike<number>[]): Verdict {
  const accuracyBy = (divisor: (ending: Ending) => number) =>
    accuracy(
      questions.map(({ endings, label }, i) => {
        const scores = endings.map((ending, k) => logLikelihoods[i]![k]! / divisor(ending));
        return indexOfGreatest(scores) === label;
      }),
    );
  const knowsBytes = questions.every(({ endings }) => endings.every(({ bytes }) => bytes !== undefined));
  return {
    total: accuracyBy(() => 1),
    perByte: knowsBytes ? accuracyBy((ending) => ending.bytes!) : null,
    perToken: accuracyBy((ending) => ending.tokens.length),
  };
}

function accuracy(isRight: readonly boolean[]): Accuracy {
  const n = isRight.length;
  const value = isRight.filter(Boolean).length / n;
  // The sample variance of zeros and ones is p (1 - p) n / (n - 1).
  return { value, standardError: n > 1 ? Math.sqrt((value * (1 - value)) / (n - 1)) : null };
}

/** The first of equal ones. */
function indexOfGreatest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}
