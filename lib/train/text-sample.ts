// Prompts and samples as text.

import { stopIds } from '../checkpoint/special-ids.ts';
import { BurgeonError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { GenerateOptions } from '../model/options.ts';
import { ContinuationDecoder } from '../tokenizer/continuation.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { TrainConfig } from './train-config.ts';

/**
 * Tokens of a prompt. An empty one starts a document: after end-of-text where the vocabulary has it, else after a line
 * break, else after the first token there is.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string): Int32Array {
  if (prompt !== '') return tokenizer.encode(prompt);
  if (tokenizer.endOfText !== undefined) return Int32Array.of(tokenizer.endOfText);
  try {
    return tokenizer.encode('\n');
  } catch {
    // A character vocabulary without line breaks.
    return Int32Array.of(0);
  }
}

/**
 * Continues a prompt; `onText` receives the text as it comes, from the prompt on. A token beyond the tokenizer's, which a
 * model with a padded vocabulary may choose, becomes U+FFFD.
 * @returns the prompt and what was added.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the tokenizer cannot be the model's or cannot encode the prompt.
 */
export async function sampleText(
  model: Model,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions & { onText?: (text: string) => void } = {},
): Promise<string> {
  const { onText, ...generate } = options;
  requireFit(tokenizer, model);
  const tokens = promptTokens(tokenizer, prompt);
  // What starts a document without a prompt is not part of the text.
  const decoder = prompt === '' ? tokenizer.decoder() : new ContinuationDecoder(tokenizer, tokens);
  let text = '';
  const add = (piece: string) => {
    if (piece === '') return;
    text += piece;
    onText?.(piece);
  };
  add(prompt);
  for await (const token of model.generate(tokens, { stopToken: stopTokens(model, tokenizer), ...generate })) {
    add(token < tokenizer.vocabSize ? decoder.push(token) : `${decoder.end()}\ufffd`);
  }
  add(decoder.end());
  return text;
}

/** What the model's files name as the end, as in transformers; else the tokenizer's end of text. */
function stopTokens(model: Model, { endOfText }: Tokenizer): readonly number[] {
  const named = stopIds(model.specialIds);
  if (named.length > 0) return named;
  return endOfText === undefined ? [] : [endOfText];
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when the tokenizer cannot be the model's. */
export function requireFit(tokenizer: Tokenizer, model: Model): void {
  if (tokenizer.vocabSize <= model.config.vocabSize) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${tokenizer.name} tokenizer: expected at most the model's ${model.config.vocabSize} tokens, it has ${tokenizer.vocabSize}; was the model trained with another tokenizer?`,
  );
}

/**
 * Finds out before training, not at the first sample.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where the samples of a run cannot be made.
 */
export function checkSample({ sample }: TrainConfig, tokenizer: Tokenizer | undefined): void {
  if (sample.every === 0) return;
  if (tokenizer === undefined) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      'sample.every: expected 0, because the tokenizer of these token files is not known; use data.directory of a prepared data set to sample text',
    );
  }
  try {
    promptTokens(tokenizer, sample.prompt);
  } catch (cause) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', `sample.prompt: ${(cause as Error).message}`, { cause });
  }
}
