// In what two tokenizers differ, for the message to somebody whose data are of another one than the model's. Every tokenizer has a
// tokenizer.json, which says it all.

import { quote } from '../quote.ts';
import type { Tokenizer } from './tokenizer.ts';
import { asObject, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

/** Phrases of a message: what comes after is a consequence, as a rule. */
const mostPhrases = 4;

/** Files beside tokenizer.json whose keys are compared. */
const configFiles = ['tokenizer_config.json', 'special_tokens_map.json'];

/**
 * @returns phrases separated by semicolons, the most telling first: "50257 tokens in the model, 21 in the data; token 0 is "!" in
 *   the model, "\n" in the data".
 */
export function tokenizerDifference(model: Tokenizer, data: Tokenizer): string {
  const [ours, theirs] = [model, data].map(({ files }) => files()) as [Files, Files];
  const [one, other] = [ours, theirs].map((files) =>
    parseTokenizerJson(files['tokenizer.json']!, 'tokenizer.json'),
  ) as [TokenizerJson, TokenizerJson];
  const phrases = [
    ...(model.name === data.name ? [] : [`${model.name} in the model, ${data.name} in the data`]),
    ...(model.vocabSize === data.vocabSize
      ? []
      : [`${model.vocabSize} tokens in the model, ${data.vocabSize} in the data`]),
    ...firstToken(one, other),
    ...firstAdded(one, other),
    ...keys('', one.json, other.json, ['added_tokens', 'model']),
    ...firstMerge(one, other),
    ...keys('model.', asObject(one.json.model), asObject(other.json.model), ['vocab', 'merges']),
    ...configFiles.flatMap((name) => keys(`${name}: `, parsed(ours[name]), parsed(theirs[name]), [])),
    ...['chat_template.jinja'].filter((name) => ours[name] !== theirs[name]).map((name) => `another ${name}`),
  ];
  return phrases.length === 0 ? 'the same in other words' : phrases.slice(0, mostPhrases).join('; ');
}

type Files = Readonly<Record<string, string | undefined>>;

function firstToken({ contents: one }: TokenizerJson, { contents: other }: TokenizerJson): string[] {
  const ids = [...new Set([...one.keys(), ...other.keys()])].sort((a, b) => a - b);
  const id = ids.find((each) => one.get(each) !== other.get(each));
  return id === undefined ? [] : [compared(`token ${id} is`, one.get(id), other.get(id))];
}

/** Those with the same id and content: another content shows in the vocabulary. */
function firstAdded({ addedTokens: one }: TokenizerJson, { addedTokens: other }: TokenizerJson): string[] {
  const byId = new Map(other.map((token) => [token.id, token]));
  const differing = one.find((token) => JSON.stringify(token) !== JSON.stringify(byId.get(token.id) ?? token));
  if (differing === undefined) {
    return one.length === other.length ? [] : [compared('added tokens:', one.length, other.length)];
  }
  const { id, content, ...flags } = differing;
  const flag = Object.keys(flags).find(
    (name) => byId.get(id)![name as keyof typeof flags] !== flags[name as keyof typeof flags],
  );
  return flag === undefined ? [] : [`added token ${quote(content)} has another ${flag}`];
}

function firstMerge({ json: one }: TokenizerJson, { json: other }: TokenizerJson): string[] {
  const [ours, theirs] = [one, other].map((json) => asObject(json.model).merges);
  if (!Array.isArray(ours) || !Array.isArray(theirs)) return [];
  if (ours.length !== theirs.length) return [compared('merges:', ours.length, theirs.length)];
  const text = (merge: unknown) => (Array.isArray(merge) ? merge.join(' ') : merge);
  const index = ours.findIndex((merge, i) => text(merge) !== text(theirs[i]));
  return index < 0 ? [] : [compared(`merge ${index} is`, text(ours[index]), text(theirs[index]))];
}

function keys(
  where: string,
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
  except: readonly string[],
): string[] {
  return Object.keys({ ...one, ...other })
    .filter((key) => !except.includes(key) && JSON.stringify(one[key] ?? null) !== JSON.stringify(other[key] ?? null))
    .map((key) => compared(`${where}${key}:`, one[key] ?? undefined, other[key] ?? undefined));
}

function compared(what: string, model: unknown, data: unknown): string {
  return `${what} ${quote(model)} in the model, ${quote(data)} in the data`;
}

function parsed(text: string | undefined): Record<string, unknown> {
  try {
    return asObject(JSON.parse(text ?? '{}'));
  } catch {
    return {};
  }
}
