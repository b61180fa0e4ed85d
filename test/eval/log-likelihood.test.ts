// Log-likelihoods of endings against transformers (test/golden/choices.json), in batches and one by one.

import { describe, expect, test } from 'vitest';
import { scoredRow, scoreQuestions } from '../../lib/eval/log-likelihood.ts';
import type { Question } from '../../lib/eval/multiple-choice.ts';
import { Model } from '../../lib/model/model.ts';
import type { ModelOptions } from '../../lib/model/options.ts';
import { readGolden, readGoldenJson } from '../helpers/golden.ts';
import { allGradients, fingerprints, smallConfig } from '../helpers/models.ts';
import { goldenDouble, goldenFloat, relativeDifference } from '../helpers/tolerance.ts';

interface GoldenQuestion {
  context: number[];
  endings: number[][];
  logLikelihoods: number[];
}

function asQuestion(context: readonly number[], endings: readonly (readonly number[])[]): Question {
  return {
    place: 'questions.jsonl:1',
    context: Int32Array.from(context),
    endings: endings.map((tokens) => ({ tokens: Int32Array.from(tokens), bytes: undefined })),
    label: 0,
  };
}

const golden: { start: string; questions: GoldenQuestion[] } = await readGoldenJson('choices');
const questions = golden.questions.map(({ context, endings }) => asQuestion(context, endings));

async function goldenModel(options: ModelOptions): Promise<Model> {
  const { config, parameters } = await readGolden(golden.start);
  const model = await Model.create(config, { threads: 1, ...options });
  for (const [name, values] of parameters) await model.setParameter(name, values);
  return model;
}

describe('scoreQuestions', () => {
  test.each([
    ['float64', 1],
    ['float64', 3],
    ['float32', 1],
    ['float32', 3],
    ['float32', 100],
  ] as const)('equals transformers: %s, batches of %i', async (precision, batchSize) => {
    using model = await goldenModel(precision === 'float64' ? { precision, device: 'reference' } : { precision });
    const progress: [number, number][] = [];
    const { logLikelihoods, cut, tokens } = await scoreQuestions(model, questions, {
      batchSize,
      onProgress: (done, total) => progress.push([done, total]),
    });
    const expected = golden.questions.map((question) => question.logLikelihoods);
    expect(logLikelihoods.map((scores) => scores.length)).toEqual(expected.map((scores) => scores.length));
    const tolerance = precision === 'float64' ? goldenDouble : goldenFloat;
    for (const [i, scores] of logLikelihoods.entries()) {
      expect(relativeDifference(scores, expected[i]!), `question ${i}`).toBeLessThan(tolerance);
    }
    // Of the fourth question the endings with 2 and 6 tokens, of the fifth both.
    expect(cut).toBe(4);
    expect(tokens).toBe(1 + 2 + (6 + 4 + 8) + (9 + 9 + 7 + 8) + 3 * 9 + 2 * 9);
    expect(progress.at(-1)).toEqual([14, 14]);
  });

  test('leaves gradients alone', async () => {
    using model = await goldenModel({});
    const before = fingerprints(await allGradients(model));
    await scoreQuestions(model, questions);
    expect(fingerprints(await allGradients(model))).toEqual(before);
  });

  test('refuses an ending that is too long before it computes anything', async () => {
    using model = await goldenModel({});
    const tooLong = asQuestion([1], [[1], new Array(10).fill(2)]);
    const onProgress = () => expect.unreachable();
    await expect(scoreQuestions(model, [questions[0]!, tooLong], { onProgress })).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringMatching(
        /^questions\.jsonl:1: endings\[1\]: expected at most 9 tokens, the length of a sequence, found 10/,
      ),
    });
  });

  test.each([1, 8])('refuses what is not finite, in batches of %i', async (batchSize) => {
    const config = smallConfig();
    using model = await Model.create(config, { threads: 1 });
    await model.setParameter('ln_f.bias', new Float32Array(config.nEmbd).fill(Number.NaN));
    await expect(scoreQuestions(model, [asQuestion([1, 2], [[3], [4]])], { batchSize })).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: expect.stringContaining('questions.jsonl:1: endings[0]: expected a finite log-likelihood'),
    });
  });
});

describe('scoredRow', () => {
  const row = (context: number[], ending: number[]) => {
    const { tokens, isCut } = scoredRow(asQuestion(context, [ending]), 0, 4);
    return [[...tokens], isCut];
  };

  test('cuts the context at its beginning, never the ending', () => {
    expect(row([1, 2], [7])).toEqual([[1, 2], false]);
    expect(row([1, 2], [7, 8, 9])).toEqual([[1, 2, 7, 8], false]);
    expect(row([1, 2, 3], [7, 8, 9])).toEqual([[2, 3, 7, 8], true]);
    expect(row([1, 2, 3], [6, 7, 8, 9])).toEqual([[3, 6, 7, 8], true]);
  });
});
