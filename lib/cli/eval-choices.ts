// burgeon eval --choices: how often the right ending of a question is the likeliest.

import path from 'node:path';
import { readHellaSwag } from '../eval/hellaswag.ts';
import { readLlmcEvalFile } from '../eval/llmc-eval-file.ts';
import { scoreQuestions } from '../eval/log-likelihood.ts';
import { type Accuracy, judge, type Question } from '../eval/multiple-choice.ts';
import type { Model } from '../model/model.ts';
import { requireFit } from '../train/text-sample.ts';
import type { EvalFlags } from './eval-flags.ts';
import { count, counted, duration, facts, percent } from './format.ts';
import { findTokenizer, modelTokenizer } from './model-argument.ts';
import { ProgressLine } from './progress.ts';

type ChoiceFlags = EvalFlags & { choices: string };

/** @param directory the model's, which may have its tokenizer. */
export async function evalChoices(model: Model, directory: string, flags: ChoiceFlags): Promise<void> {
  const questions = await readQuestions(model, directory, flags);
  const progress = new ProgressLine();
  const start = performance.now();
  const { logLikelihoods, cut, tokens, ms } = await scoreQuestions(model, questions, {
    batchSize: flags.batchSize,
    sequenceLength: flags.sequenceLength,
    subnetwork: flags.subnetwork,
    onProgress: (done, total) =>
      progress.update(() => {
        const leftMs = ((performance.now() - start) / done) * (total - done);
        return `${done} of ${counted(total, 'ending')}, ${duration(leftMs)} left at most`;
      }),
  });
  progress.finish();
  const { total, perByte, perToken } = judge(questions, logLikelihoods);
  const tokensPerSecond = tokens / (ms / 1000);
  if (flags.json) {
    console.log(
      JSON.stringify({
        questions: questions.length,
        acc: total.value,
        accStderr: total.standardError,
        accNorm: perByte?.value ?? null,
        accNormStderr: perByte?.standardError ?? null,
        accPerToken: perToken.value,
        accPerTokenStderr: perToken.standardError,
        cutContexts: cut,
        tokens,
        tokensPerSecond,
      }),
    );
    return;
  }
  console.log(
    facts(
      [
        ['accuracy', `${share(total)}  by log-likelihood (acc)`],
        ['', perByte ? `${share(perByte)}  per byte (acc_norm)` : 'unknown per byte (no tokenizer)'],
        ['', `${share(perToken)}  per token`],
        [
          'questions',
          `${questions.length}, ${cut === 0 ? 'all contexts whole' : `contexts cut for ${counted(cut, 'ending')}`}`,
        ],
        ['tokens', `${count(tokens)} in ${duration(ms)} (${count(tokensPerSecond)} per second)`],
      ],
      '',
    ),
  );
}

async function readQuestions(model: Model, directory: string, flags: ChoiceFlags): Promise<Question[]> {
  const { choices, limit } = flags;
  if (path.extname(choices).toLowerCase() === '.bin') {
    const tokenizer = await findTokenizer(directory, flags.tokenizer);
    if (tokenizer !== undefined) requireFit(tokenizer, model);
    return readLlmcEvalFile(choices, { vocabSize: model.config.vocabSize, tokenizer, limit });
  }
  const tokenizer = await modelTokenizer(directory, flags.tokenizer);
  requireFit(tokenizer, model);
  return readHellaSwag(choices, tokenizer, { limit });
}

/** "31.2 % +- 0.5". */
function share({ value, standardError }: Accuracy): string {
  return `${percent(value)}${standardError === null ? '' : ` +- ${(100 * standardError).toFixed(1)}`}`;
}
