// Prompts and samples as text.

import type { GenerateOptions, Model } from '../model/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

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

/** Continues a prompt; `onText` receives the text as it comes. @returns the added text. */
export async function sampleText(
  model: Model,
  tokenizer: Tokenizer,
  prompt: string,
  options: Omit<GenerateOptions, 'onToken'> & { onText?: (text: string) => void } = {},
): Promise<string> {
  const { onText, ...generate } = options;
  const decoder = tokenizer.decoder();
  let text = '';
  const add = (piece: string) => {
    if (piece === '') return;
    text += piece;
    onText?.(piece);
  };
  await model.generate(promptTokens(tokenizer, prompt), {
    stopToken: tokenizer.endOfText,
    ...generate,
    onToken: (token) => add(decoder.push(token)),
  });
  add(decoder.end());
  return text;
}
