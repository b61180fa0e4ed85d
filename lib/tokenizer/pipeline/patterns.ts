// Patterns of a tokenizer.json: a text, or a regular expression in the syntax of Oniguruma. The package @huggingface/tokenizers
// translates these into JavaScript's; what that would change is refused.

import { Tokenizer } from '@huggingface/tokenizers';
import { type Part, unsupported } from './unsupported.ts';

/** Atomic groups, options and conditions; \K, \X, \R, \O; calls and back references by name. */
const untranslated = /\(\?(?:[>~(]|[a-zA-Z]*-|(?!i:)[a-zA-Z]+[:)]|i\))|\\[KXRO]|\\[gk]</;

/**
 * @param key where it stands, for messages.
 * @returns a global regular expression; its matches are what is replaced or split at.
 * @throws {BurgeonError} ERR_BURGEON_DATA for what cannot be translated.
 */
export function compilePattern(pattern: unknown, key: string): RegExp {
  const { String: text, Regex: source } = (pattern ?? {}) as Part;
  if (typeof text === 'string' && text !== '') return new RegExp(escapePattern(text), 'gu');
  if (typeof source !== 'string' || source === '') throw unsupported(`${key} with pattern ${JSON.stringify(pattern)}`);
  const refusal = (reason: string) =>
    unsupported(`${key} with the regular expression ${JSON.stringify(source)} (${reason})`);
  // Neither what is escaped nor what stands in a class is meant.
  const bare = source.replace(/\\[^KXROgk]/gs, '').replace(/\[[^\]]*\]/g, 'x');
  if (untranslated.test(bare)) throw refusal('groups, options or escapes that JavaScript does not have');
  if (/[*+?]\+/.test(bare)) throw refusal('possessive quantifiers');
  try {
    return translate(source);
  } catch (cause) {
    throw refusal((cause as Error).message);
  }
}

/** A regular expression for just this text. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function translate(source: string): RegExp {
  const pre_tokenizer = { type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false };
  const model = { type: 'BPE', vocab: {}, merges: [] };
  const nothing = { normalizer: null, post_processor: null, decoder: null, added_tokens: [] };
  const made = new Tokenizer({ ...nothing, pre_tokenizer, model }, {}).pre_tokenizer;
  return new RegExp((made as unknown as { pattern: RegExp }).pattern.source, 'gu');
}
