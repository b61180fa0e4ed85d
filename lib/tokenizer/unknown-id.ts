// The token that stands for text that a tokenizer has no token for. Pure.

import type { Tokenizer } from './tokenizer.ts';

/**
 * Undefined where there is none: bytes and byte pairs have a token for every text, and chars refuses what it lacks.
 */
export function unknownId(tokenizer: Tokenizer): number | undefined {
  const description = tokenizer.toJSON();
  if (description.name !== 'huggingface') return undefined;
  const { model, added_tokens: added = [] } = JSON.parse(description.files['tokenizer.json']!) as {
    model: { unk_id?: number | null; unk_token?: string | null; vocab?: unknown };
    added_tokens?: { id: number; content: string }[];
  };
  // A unigram model has its place in a list, the others its name.
  if (typeof model.unk_id === 'number') return model.unk_id;
  const { unk_token: name, vocab } = model;
  if (typeof name !== 'string') return undefined;
  const own = !Array.isArray(vocab) ? (vocab as Record<string, number> | undefined)?.[name] : undefined;
  return own ?? added.find(({ content }) => content === name)?.id;
}
